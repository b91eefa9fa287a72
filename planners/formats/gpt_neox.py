"""gpt_neox: LayerNorm, partly rotary positions, two-matrix FFN, biases (arXiv 2204.06745); Pythia (2304.01373)."""

from planners.formats import decoder
from planners.formats.family import Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=50432, hidden=6144, ffn=24576, layers=44, heads=64),
        "attention_bias": True,
    },
    keys=decoder.ONE_HEAD_KEYS,
    switches={"attention_bias": ("attention_bias", "all")},
    fixed={"ffn": "gelu", "norm": "layernorm", "ffn_bias": True},
    heads="exact",
)
