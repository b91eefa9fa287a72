"""cohere2: cohere with a sliding window in three of four layers (Command R7B, Command A)."""

from planners.formats import cohere, decoder
from planners.formats.family import Family
from planners.formats.foreign_parts import norms

FAMILY = Family(
    defaults={**cohere.FAMILY.defaults, "head_dim": 128},
    keys=decoder.KEYS,
    switches={"attention_bias": ("attention_bias", "all")},
    parts=(norms(a_layer=1),),
    sliding_window=4096,
)
