"""glm: a llama with biases on queries, keys and values, and partly rotary positions (GLM-4-9B)."""

from planners.formats import decoder
from planners.formats.family import Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=151552, hidden=4096, ffn=13696, layers=40, heads=32),
        "num_key_value_heads": 2,
        "head_dim": 128,
        "attention_bias": True,
    },
    keys=decoder.KEYS,
    switches={"attention_bias": ("attention_bias", "qkv")},
)
