"""gemma3: gemma2 with norms of queries and keys (arXiv 2503.19786); its text model."""

from planners.formats import decoder, gemma2
from planners.formats.family import Family
from planners.formats.foreign_parts import norms

FAMILY = Family(
    defaults={**gemma2.FAMILY.defaults, "vocab_size": 262208},
    keys=decoder.KEYS,
    switches={"attention_bias": ("attention_bias", "all")},
    fixed={"qk_norm": "head"},
    parts=(norms(a_layer=4),),
    sliding_window=4096,
)
