"""glm4_moe: leading dense layers, then fine-grained experts and shared ones without a gate (arXiv 2508.06471).

The family that holds this toolkit's usual backbone: plain attention, leading dense layers and a shared expert that is
as wide as a whole number of routed ones. Its router scores experts by a sigmoid and is balanced by a bias.
"""

from typing import Any

from planners.architecture.shape import Shape
from planners.formats import decoder
from planners.formats.family import Export, Family
from planners.formats.foreign import Foreign
from planners.formats.given import Given
from planners.records.errors import UsageError
from planners.spec import Router


def read(given: Given) -> Foreign:
    """Return the model; biases are on queries, keys and values only."""
    bias = "qkv" if given.flag("attention_bias") else "none"
    norm = "head" if given.flag("use_qk_norm") else "none"
    fields = {**decoder.sizes(given), **decoder.leading_layers(given), "attention_bias": bias, "qk_norm": norm}
    return Foreign(model_type="glm4_moe", **fields)


def write(shape: Shape, router: Router) -> dict[str, Any]:
    """Return the keys of a shape with leading dense layers. Raises UsageError where the shared expert does not fit."""
    n_shared, rest = divmod(shape.d_shared, shape.d_expert)
    if rest:
        raise UsageError(f"d_shared {shape.d_shared} that is no multiple of d_expert {shape.d_expert}")
    keys = decoder.names(shape)
    return {
        **keys,
        "rope_parameters": {**keys["rope_parameters"], "partial_rotary_factor": 1.0},
        "first_k_dense_replace": shape.n_dense_layers,
        "n_routed_experts": shape.n_experts,
        "n_shared_experts": n_shared,
        "num_experts_per_tok": shape.top_k,
        "moe_intermediate_size": shape.d_expert,
        "norm_topk_prob": router.renormalise,
        "attention_bias": shape.attention_bias == "qkv",
        "use_qk_norm": shape.qk_norm == "head",
    }


FAMILY = Family(
    model_type="glm4_moe",
    defaults={
        **decoder.DEFAULTS,
        "vocab_size": 151552,
        "hidden_size": 4096,
        "intermediate_size": 10944,
        "num_hidden_layers": 46,
        "num_attention_heads": 96,
        "num_key_value_heads": 8,
        "first_k_dense_replace": 1,
        "n_routed_experts": 128,
        "n_shared_experts": 1,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 1408,
        "attention_bias": False,
        "use_qk_norm": False,
    },
    aliases={"n_routed_experts": "num_local_experts"},
    read=read,
    not_built={"num_nextn_predict_layers": 0},
    export=Export(
        experts=True,
        expresses={
            **decoder.PLAIN,
            "moe_every": (1,),
            "shared_gate": (False,),
            "qk_norm": ("none", "head"),
            "attention_bias": ("none", "qkv"),
            "ffn_bias": (False,),
            "expert_bias": (False,),
        },
        write=write,
        score="sigmoid",
    ),
)
