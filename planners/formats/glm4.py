"""glm4: glm with a norm before and after each block (GLM-4-0414)."""

from planners.formats import decoder, glm
from planners.formats.family import Family
from planners.formats.foreign_parts import norms

FAMILY = Family(
    defaults=glm.FAMILY.defaults,
    keys=decoder.KEYS,
    switches={"attention_bias": ("attention_bias", "qkv")},
    parts=(norms(a_layer=4),),
)
