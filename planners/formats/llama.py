"""llama: RMSNorm, rotary positions, SwiGLU (arXiv 2302.13971); grouped queries and biases by key."""

from typing import Any

from planners.architecture.shape import Shape
from planners.formats import decoder
from planners.formats.family import Export, Family
from planners.formats.foreign import Foreign
from planners.formats.given import Given
from planners.spec import Router


def read(given: Given) -> Foreign:
    """Return the model; biases are in all projections of attention, in all matrices of the FFN, or in none."""
    given.width_of_heads("hidden_size", "num_attention_heads")
    return Foreign(
        model_type="llama",
        **decoder.sizes(given),
        attention_bias="all" if given.flag("attention_bias") else "none",
        ffn_bias=given.flag("mlp_bias"),
    )


def write(shape: Shape, _: Router) -> dict[str, Any]:
    """Return the keys of a dense shape."""
    decoder.check_heads(shape)
    return {
        **decoder.names(shape),
        "attention_bias": shape.attention_bias == "all",
        "mlp_bias": shape.ffn_bias,
    }


FAMILY = Family(
    model_type="llama",
    defaults={
        **decoder.DEFAULTS,
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "attention_bias": False,
        "mlp_bias": False,
    },
    read=read,
    export=Export(
        experts=False,
        expresses={**decoder.PLAIN, "qk_norm": ("none",), "attention_bias": ("none", "all")},
        write=write,
    ),
)
