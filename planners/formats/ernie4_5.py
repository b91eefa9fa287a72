"""ernie4_5: a llama with tied embeddings, and biases by key (ERNIE 4.5)."""

from planners.formats import decoder
from planners.formats.family import Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=103424, hidden=1024, ffn=3072, layers=18, heads=16),
        "num_key_value_heads": 2,
        "head_dim": 128,
        "tie_word_embeddings": True,
        "use_bias": False,
    },
    keys={**decoder.KEYS, "ffn_bias": "use_bias"},
    switches={"attention_bias": ("use_bias", "all")},
)
