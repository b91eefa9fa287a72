"""cohere: parallel blocks under one LayerNorm without bias, tied embeddings (Command R)."""

from planners.formats import decoder
from planners.formats.family import Family
from planners.formats.foreign_parts import norms

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=256000, hidden=8192, ffn=22528, layers=40, heads=64),
        "tie_word_embeddings": True,
        "attention_bias": False,
        "use_qk_norm": False,
    },
    keys=decoder.KEYS,
    switches={"attention_bias": ("attention_bias", "all")},
    heads="divide",
    parts=(norms(a_layer=1),),
    refused=("use_qk_norm",),
)
