"""granitemoeshared: granitemoe with a shared expert (IBM Granite 4)."""

from planners.formats import granitemoe
from planners.formats.family import ALL_EXPERTS, Family

FAMILY = Family(
    defaults={**granitemoe.FAMILY.defaults, "shared_intermediate_size": 0},
    keys={**granitemoe.FAMILY.keys, "d_shared": "shared_intermediate_size"},
    switches={"attention_bias": ("attention_bias", "all")},
    heads="divide",
    layers=ALL_EXPERTS,
)
