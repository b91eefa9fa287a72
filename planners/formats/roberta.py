"""roberta: bert with positions that start after the padding index (arXiv 1907.11692)."""

from planners.formats import bert
from planners.formats.family import Family
from planners.formats.foreign_parts import masked_word_head

FAMILY = Family(
    defaults={**bert.FAMILY.defaults, "vocab_size": 50265},
    keys=bert.FAMILY.keys,
    fixed=bert.FAMILY.fixed,
    heads="divide",
    parts=(masked_word_head,),
    refused=("add_cross_attention",),
)
