"""qwen3_moe: a qwen3 with fine-grained experts and no shared one (arXiv 2505.09388)."""

from typing import Any

from planners.architecture.shape import Shape
from planners.formats import decoder
from planners.formats.family import Export, Family
from planners.formats.foreign import Foreign
from planners.formats.given import Given
from planners.spec import Router


def read(given: Given) -> Foreign:
    """Return the model."""
    fields = {
        **decoder.sizes(given),
        **decoder.some_layers(given, given.size("num_experts", least=0)),
        "qk_norm": "head",
        "attention_bias": "all" if given.flag("attention_bias") else "none",
    }
    return Foreign(model_type="qwen3_moe", **fields)


def write(shape: Shape, router: Router) -> dict[str, Any]:
    """Return the keys of a shape with experts and norms of queries and keys; its dense layers are listed."""
    return {
        **decoder.names(shape),
        **decoder.sparse_names(shape, router),
        "attention_bias": shape.attention_bias == "all",
    }


FAMILY = Family(
    model_type="qwen3_moe",
    defaults={
        **decoder.DEFAULTS,
        "vocab_size": 151936,
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "num_hidden_layers": 24,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "decoder_sparse_step": 1,
        "moe_intermediate_size": 768,
        "num_experts_per_tok": 8,
        "num_experts": 128,
        "mlp_only_layers": None,
        "attention_bias": False,
    },
    aliases={"num_experts": "num_local_experts"},
    read=read,
    uses_window=False,
    export=Export(
        experts=True,
        expresses={
            **decoder.PLAIN,
            "d_shared": (0,),
            "qk_norm": ("head",),
            "attention_bias": ("none", "all"),
            "ffn_bias": (False,),
            "expert_bias": (False,),
        },
        write=write,
    ),
)
