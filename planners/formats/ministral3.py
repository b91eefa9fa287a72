"""ministral3: a mistral with wide heads and a longer context (Ministral 3)."""

from planners.formats import decoder
from planners.formats.family import Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=131072, hidden=4096, ffn=14336, layers=34, heads=32),
        "num_key_value_heads": 8,
        "head_dim": 128,
    },
    keys=decoder.KEYS,
)
