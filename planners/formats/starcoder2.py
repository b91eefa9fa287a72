"""starcoder2: LayerNorm, grouped queries, a two-matrix FFN and biases (arXiv 2402.19173)."""

from planners.formats import decoder
from planners.formats.family import Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=49152, hidden=3072, ffn=12288, layers=30, heads=24),
        "num_key_value_heads": 2,
        "use_bias": True,
        "tie_word_embeddings": True,
    },
    keys={**decoder.KEYS, "ffn_bias": "use_bias"},
    switches={"attention_bias": ("use_bias", "all")},
    fixed={"ffn": "gelu", "norm": "layernorm"},
)
