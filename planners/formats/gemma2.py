"""gemma2: gemma with a norm before and after each block (arXiv 2408.00118)."""

from planners.formats import decoder
from planners.formats.family import Family
from planners.formats.foreign_parts import norms

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=256000, hidden=2304, ffn=9216, layers=26, heads=8),
        "num_key_value_heads": 4,
        "head_dim": 256,
        "tie_word_embeddings": True,
        "attention_bias": False,
    },
    keys=decoder.KEYS,
    switches={"attention_bias": ("attention_bias", "all")},
    parts=(norms(a_layer=4),),
    sliding_window=4096,
)
