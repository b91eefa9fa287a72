"""llama: RMSNorm, rotary positions, SwiGLU (arXiv 2302.13971); grouped queries and biases by key."""

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
    constants=decoder.CONSTANTS,
)
