"""phi3: a llama whose projections are stored as one matrix (arXiv 2404.14219)."""

from planners.formats import decoder
from planners.formats.family import Family

FAMILY = Family(
    defaults=decoder.sizes(vocab=32064, hidden=3072, ffn=8192, layers=32, heads=32),
    keys=decoder.KEYS,
    heads="divide",
)
