"""phimoe: LayerNorm, 16 experts in every layer, biases by key (arXiv 2404.14219)."""

from planners.formats import decoder
from planners.formats.family import ALL_EXPERTS, Family
from planners.formats.foreign_parts import head_bias

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=32064, hidden=4096, ffn=6400, layers=32, heads=32),
        "num_key_value_heads": 8,
        "num_local_experts": 16,
        "num_experts_per_tok": 2,
        "attention_bias": False,
        "lm_head_bias": False,
    },
    keys={**decoder.ALL_EXPERT_KEYS, "n_experts": "num_local_experts"},
    switches={"attention_bias": ("attention_bias", "all")},
    fixed={"norm": "layernorm"},
    layers=ALL_EXPERTS,
    parts=(head_bias("lm_head_bias"),),
)
