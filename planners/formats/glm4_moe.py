"""glm4_moe: leading dense layers, then fine-grained experts and shared ones without a gate (arXiv 2508.06471).

This family expresses the toolkit's usual backbone: plain attention, leading dense layers, and a shared expert as wide
as a whole number of routed ones. A sigmoid scores its experts, and a bias balances them.
"""

from planners.formats import decoder
from planners.formats.family import LEADING_DENSE, Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=151552, hidden=4096, ffn=10944, layers=46, heads=96),
        "num_key_value_heads": 8,
        "first_k_dense_replace": 1,
        "n_routed_experts": 128,
        "n_shared_experts": 1,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 1408,
        "attention_bias": False,
        "use_qk_norm": False,
    },
    keys={**decoder.KEYS, **decoder.EXPERT_KEYS, "n_experts": "n_routed_experts"},
    switches={"attention_bias": ("attention_bias", "qkv"), "qk_norm": ("use_qk_norm", "head")},
    layers=LEADING_DENSE,
    shared_experts="n_shared_experts",
    aliases={"n_routed_experts": "num_local_experts"},
    not_built={"num_nextn_predict_layers": 0},
    constants={
        **decoder.CONSTANTS,
        "rope_parameters": {**decoder.CONSTANTS["rope_parameters"], "partial_rotary_factor": 1.0},
    },
    router_keys={"renormalise": "norm_topk_prob"},
    score="sigmoid",
)
