"""granitemoe: experts in every layer, none shared (IBM Granite 3)."""

from planners.formats import decoder
from planners.formats.family import ALL_EXPERTS, Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=32000, hidden=4096, ffn=11008, layers=32, heads=32),
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "attention_bias": False,
    },
    keys={**decoder.ALL_EXPERT_KEYS, "n_experts": "num_local_experts"},
    switches={"attention_bias": ("attention_bias", "all")},
    heads="divide",
    layers=ALL_EXPERTS,
)
