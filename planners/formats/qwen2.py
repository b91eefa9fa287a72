"""qwen2: a llama with biases on queries, keys and values (arXiv 2407.10671)."""

from planners.formats import decoder
from planners.formats.family import Family

FAMILY = Family(
    defaults={**decoder.sizes(vocab=151936, hidden=4096, ffn=22016, layers=32, heads=32), "num_key_value_heads": 32},
    keys=decoder.KEYS,
    fixed={"attention_bias": "qkv"},
    heads="divide",
    uses_window=False,
    constants=decoder.CONSTANTS,
)
