"""mixtral: every layer has experts, no shared one; gates of the chosen experts sum to 1 (arXiv 2401.04088)."""

from typing import Any

from planners.architecture.shape import Shape
from planners.formats import decoder
from planners.formats.family import Export, Family
from planners.formats.foreign import Foreign
from planners.formats.given import Given
from planners.spec import Router


def read(given: Given) -> Foreign:
    """Return the model."""
    return Foreign(model_type="mixtral", **decoder.every_layer(given, given.size("num_local_experts")))


def write(shape: Shape, router: Router) -> dict[str, Any]:
    """Return the keys of a shape whose layers all have experts."""
    return {
        **decoder.names(shape),
        "intermediate_size": shape.d_expert,
        "num_local_experts": shape.n_experts,
        "num_experts_per_tok": shape.top_k,
        "router_jitter_noise": router.jitter,
        "router_aux_loss_coef": router.balance,
        "sliding_window": None,
    }


FAMILY = Family(
    model_type="mixtral",
    defaults={
        **decoder.DEFAULTS,
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
    },
    aliases={"num_local_experts": "num_experts"},
    read=read,
    export=Export(
        experts=True,
        expresses={
            **decoder.PLAIN,
            "n_dense_layers": (0,),
            "moe_every": (1,),
            "d_shared": (0,),
            "qk_norm": ("none",),
            "attention_bias": ("none",),
            "expert_bias": (False,),
        },
        write=write,
        renormalises=True,
    ),
)
