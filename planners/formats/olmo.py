"""olmo: a llama whose norms have no parameters (arXiv 2402.00838)."""

from planners.formats import decoder
from planners.formats.family import Family
from planners.formats.foreign_parts import norms

FAMILY = Family(
    defaults={**decoder.sizes(vocab=50304, hidden=4096, ffn=11008, layers=32, heads=32), "attention_bias": False},
    keys=decoder.KEYS,
    switches={"attention_bias": ("attention_bias", "all")},
    heads="divide",
    parts=(norms(a_layer=0, outside=0),),
)
