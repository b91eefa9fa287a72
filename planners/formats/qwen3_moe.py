"""qwen3_moe: a qwen3 with fine-grained experts, without a shared one (arXiv 2505.09388)."""

from planners.formats import decoder
from planners.formats.family import LISTED_DENSE, Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=151936, hidden=2048, ffn=6144, layers=24, heads=32),
        **decoder.SPARSE_DEFAULTS,
        "num_key_value_heads": 4,
        "moe_intermediate_size": 768,
        "num_experts_per_tok": 8,
        "num_experts": 128,
        "attention_bias": False,
    },
    keys={**decoder.KEYS, **decoder.EXPERT_KEYS},
    switches={"attention_bias": ("attention_bias", "all")},
    fixed={"qk_norm": "head"},
    layers=LISTED_DENSE,
    aliases={"num_experts": "num_local_experts"},
    uses_window=False,
    constants=decoder.CONSTANTS,
    router_keys=decoder.ROUTER_KEYS,
)
