"""qwen3: a llama whose queries and keys are normalised head by head (arXiv 2505.09388)."""

from planners.formats import decoder
from planners.formats.family import Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=151936, hidden=4096, ffn=22016, layers=32, heads=32),
        "num_key_value_heads": 32,
        "head_dim": 128,
        "attention_bias": False,
    },
    keys=decoder.KEYS,
    switches={"attention_bias": ("attention_bias", "all")},
    fixed={"qk_norm": "head"},
    uses_window=False,
    constants=decoder.CONSTANTS,
)
