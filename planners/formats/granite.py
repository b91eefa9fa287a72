"""granite: a llama with scaled residuals (IBM Granite 3); no scale is a parameter."""

from planners.formats import decoder
from planners.formats.family import Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=32000, hidden=4096, ffn=11008, layers=32, heads=32),
        "attention_bias": False,
        "mlp_bias": False,
    },
    keys={**decoder.KEYS, "ffn_bias": "mlp_bias"},
    switches={"attention_bias": ("attention_bias", "all")},
    heads="divide",
)
