"""mistral: a llama without biases; its sliding window changes no count (arXiv 2310.06825)."""

from planners.formats import decoder
from planners.formats.family import Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=32000, hidden=4096, ffn=14336, layers=32, heads=32),
        "num_key_value_heads": 8,
    },
    keys=decoder.KEYS,
    sliding_window=4096,
)
