"""minimax: every second layer has linear attention, all have wide experts (MiniMax-Text-01, arXiv 2501.08313)."""

from planners.formats import decoder
from planners.formats.family import ALL_EXPERTS, Family
from planners.formats.foreign_parts import lightning_attention

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=32000, hidden=4096, ffn=14336, layers=32, heads=32),
        "num_key_value_heads": 8,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "layer_types": None,
    },
    keys={**decoder.ALL_EXPERT_KEYS, "n_experts": "num_local_experts"},
    layers=ALL_EXPERTS,
    parts=(lightning_attention,),
    aliases={"num_local_experts": "num_experts"},
)
