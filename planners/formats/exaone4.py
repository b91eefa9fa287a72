"""exaone4: norms after each block, and of queries and keys head by head (arXiv 2507.11407)."""

from planners.formats import decoder
from planners.formats.family import Family

FAMILY = Family(
    defaults=decoder.sizes(vocab=102400, hidden=4096, ffn=16384, layers=32, heads=32),
    keys=decoder.KEYS,
    fixed={"qk_norm": "head"},
    sliding_window=4096,
)
