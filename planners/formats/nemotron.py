"""nemotron: LayerNorm, a two-matrix FFN, grouped queries (arXiv 2402.16819)."""

from planners.formats import decoder
from planners.formats.family import Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=256000, hidden=6144, ffn=24576, layers=32, heads=48),
        "head_dim": 128,
        "attention_bias": False,
        "mlp_bias": False,
    },
    keys={**decoder.KEYS, "ffn_bias": "mlp_bias"},
    switches={"attention_bias": ("attention_bias", "all")},
    fixed={"ffn": "gelu", "norm": "layernorm"},
)
