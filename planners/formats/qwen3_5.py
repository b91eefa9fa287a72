"""qwen3_5: three of four layers have linear attention, all a dense FFN (Qwen3.5)."""

from planners.formats import decoder
from planners.formats.family import Family
from planners.formats.foreign_parts import LINEAR_DEFAULTS, linear_attention

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=248320, hidden=4096, ffn=12288, layers=32, heads=16),
        **LINEAR_DEFAULTS,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "attention_bias": False,
    },
    keys=decoder.KEYS,
    switches={"attention_bias": ("attention_bias", "all")},
    fixed={"qk_norm": "head"},
    parts=(linear_attention,),
    not_built={"mtp_num_hidden_layers": 0},
)
