"""olmoe: fine-grained experts in every layer, norms over the full queries and keys (arXiv 2409.02060)."""

from typing import Any

from planners.architecture.shape import Shape
from planners.formats import decoder
from planners.formats.family import Export, Family
from planners.formats.foreign import Foreign
from planners.formats.given import Given
from planners.spec import Router


def read(given: Given) -> Foreign:
    """Return the model; heads share the width of the model, as the width of its norms is taken from that."""
    if given.head_dim() != given.width_of_heads("hidden_size", "num_attention_heads"):
        given.refuse("head_dim", "hidden_size / num_attention_heads, which the norms of this family have")
    fields = {
        **decoder.every_layer(given, given.size("num_experts")),
        "qk_norm": "full",
        "attention_bias": "all" if given.flag("attention_bias") else "none",
    }
    return Foreign(model_type="olmoe", **fields)


def write(shape: Shape, router: Router) -> dict[str, Any]:
    """Return the keys of a shape whose layers all have experts and norms of the full queries and keys."""
    decoder.check_heads(shape, exact=True)
    return {
        **decoder.names(shape),
        "intermediate_size": shape.d_expert,
        "num_experts": shape.n_experts,
        "num_experts_per_tok": shape.top_k,
        "norm_topk_prob": router.renormalise,
        "router_aux_loss_coef": router.balance,
        "attention_bias": shape.attention_bias == "all",
    }


FAMILY = Family(
    model_type="olmoe",
    defaults={
        **decoder.DEFAULTS,
        "vocab_size": 50304,
        "hidden_size": 2048,
        "intermediate_size": 2048,
        "num_hidden_layers": 16,
        "num_attention_heads": 16,
        "num_experts_per_tok": 8,
        "num_experts": 64,
        "attention_bias": False,
    },
    aliases={"num_experts": "num_local_experts"},
    read=read,
    export=Export(
        experts=True,
        expresses={
            **decoder.PLAIN,
            "n_dense_layers": (0,),
            "moe_every": (1,),
            "d_shared": (0,),
            "qk_norm": ("full",),
            "attention_bias": ("none", "all"),
            "expert_bias": (False,),
        },
        write=write,
    ),
)
