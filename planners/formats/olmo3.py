"""olmo3: olmo2 with a sliding window in three of four layers, which changes no count."""

from planners.formats import decoder, olmo2
from planners.formats.family import Family

FAMILY = Family(
    defaults=olmo2.FAMILY.defaults,
    keys=decoder.KEYS,
    switches={"attention_bias": ("attention_bias", "all")},
    fixed={"qk_norm": "full"},
    sliding_window=4096,
)
