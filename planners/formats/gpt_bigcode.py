"""gpt_bigcode: gpt2 with one key-value head (arXiv 2301.03988)."""

from planners.formats import gpt2
from planners.formats.family import Family
from planners.formats.foreign_parts import one_key_value_head

FAMILY = Family(
    defaults={**gpt2.FAMILY.defaults, "multi_query": True},
    keys=gpt2.FAMILY.keys,
    fixed=gpt2.LEARNED,
    heads="exact",
    parts=(one_key_value_head,),
    aliases=gpt2.FAMILY.aliases,
    refused=("add_cross_attention",),
)
