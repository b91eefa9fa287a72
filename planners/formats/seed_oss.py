"""seed_oss: a llama with biases on queries, keys and values by key (Seed-OSS)."""

from planners.formats import decoder
from planners.formats.family import Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=155136, hidden=4096, ffn=27648, layers=64, heads=80),
        "num_key_value_heads": 8,
        "head_dim": 128,
        "attention_bias": True,
        "attention_out_bias": False,
        "mlp_bias": False,
    },
    keys={**decoder.KEYS, "ffn_bias": "mlp_bias"},
    switches={"attention_bias": ("attention_bias", "qkv")},
    refused=("attention_out_bias",),
)
