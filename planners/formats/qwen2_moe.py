"""qwen2_moe: biases on queries, keys and values, and a shared expert behind a sigmoid gate (arXiv 2407.10671)."""

from planners.formats import decoder
from planners.formats.family import LISTED_DENSE, Family
from planners.formats.foreign_parts import gate_without_shared_expert

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=151936, hidden=2048, ffn=5632, layers=24, heads=16),
        **decoder.SPARSE_DEFAULTS,
        "num_key_value_heads": 16,
        "moe_intermediate_size": 1408,
        "shared_expert_intermediate_size": 5632,
        "num_experts_per_tok": 4,
        "num_experts": 60,
        "qkv_bias": True,
    },
    keys={**decoder.KEYS, **decoder.EXPERT_KEYS, "d_shared": "shared_expert_intermediate_size"},
    switches={"attention_bias": ("qkv_bias", "qkv")},
    fixed_experts={"shared_gate": True},
    layers=LISTED_DENSE,
    parts=(gate_without_shared_expert,),
    uses_window=False,
    constants=decoder.CONSTANTS,
    router_keys=decoder.ROUTER_KEYS,
    neutral_gate=True,
)
