"""qwen3: a llama whose queries and keys are normalised head by head (arXiv 2505.09388)."""

from typing import Any

from planners.architecture.shape import Shape
from planners.formats import decoder
from planners.formats.family import Export, Family
from planners.formats.foreign import Foreign
from planners.formats.given import Given
from planners.spec import Router


def read(given: Given) -> Foreign:
    """Return the model; a head is 128 wide unless it is said to be other."""
    fields = {
        **decoder.sizes(given),
        "qk_norm": "head",
        "attention_bias": "all" if given.flag("attention_bias") else "none",
    }
    return Foreign(model_type="qwen3", **fields)


def write(shape: Shape, _: Router) -> dict[str, Any]:
    """Return the keys of a dense shape with such norms."""
    return {**decoder.names(shape), "attention_bias": shape.attention_bias == "all"}


FAMILY = Family(
    model_type="qwen3",
    defaults={
        **decoder.DEFAULTS,
        "vocab_size": 151936,
        "hidden_size": 4096,
        "intermediate_size": 22016,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "head_dim": 128,
        "attention_bias": False,
    },
    read=read,
    uses_window=False,
    export=Export(
        experts=False,
        expresses={
            **decoder.PLAIN,
            "qk_norm": ("head",),
            "attention_bias": ("none", "all"),
            "ffn_bias": (False,),
        },
        write=write,
    ),
)
