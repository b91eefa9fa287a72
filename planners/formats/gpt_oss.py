"""gpt_oss: experts and router with biases, and one attention sink for each head (arXiv 2508.10925)."""

from planners.formats import decoder
from planners.formats.family import ALL_EXPERTS, Family
from planners.formats.foreign_parts import sinks_and_router_bias

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=201088, hidden=2880, ffn=2880, layers=36, heads=64),
        "num_key_value_heads": 8,
        "head_dim": 64,
        "num_local_experts": 128,
        "num_experts_per_tok": 4,
        "attention_bias": True,
    },
    keys={**decoder.ALL_EXPERT_KEYS, "n_experts": "num_local_experts"},
    switches={"attention_bias": ("attention_bias", "all")},
    fixed_experts={"expert_bias": True},
    layers=ALL_EXPERTS,
    parts=(sinks_and_router_bias,),
    aliases={"num_local_experts": "num_experts"},
    sliding_window=128,
)
