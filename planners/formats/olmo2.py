"""olmo2: norms after each block instead of before it, and over the full queries and keys (arXiv 2501.00656)."""

from planners.formats import decoder
from planners.formats.family import Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=50304, hidden=4096, ffn=11008, layers=32, heads=32),
        "attention_bias": False,
    },
    keys=decoder.KEYS,
    switches={"attention_bias": ("attention_bias", "all")},
    fixed={"qk_norm": "full"},
)
