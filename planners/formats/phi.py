"""phi: parallel blocks under one norm, a two-matrix FFN, biases in the head too (arXiv 2309.05463)."""

from planners.formats import decoder
from planners.formats.family import Family
from planners.formats.foreign_parts import head_bias, norms

FAMILY = Family(
    defaults={**decoder.sizes(vocab=51200, hidden=2048, ffn=8192, layers=24, heads=32), "qk_layernorm": False},
    keys=decoder.KEYS,
    fixed={"ffn": "gelu", "norm": "layernorm", "attention_bias": "all", "ffn_bias": True},
    heads="divide",
    parts=(norms(a_layer=1), head_bias()),
    refused=("qk_layernorm",),
)
