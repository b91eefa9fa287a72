"""minimax_m2: fine experts in every layer, norms over the full queries and keys (MiniMax-M2)."""

from planners.formats import decoder
from planners.formats.family import ALL_EXPERTS, Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=200064, hidden=3072, ffn=1536, layers=62, heads=48),
        "num_key_value_heads": 8,
        "head_dim": 128,
        "num_local_experts": 256,
        "num_experts_per_tok": 8,
    },
    keys={**decoder.ALL_EXPERT_KEYS, "n_experts": "num_local_experts"},
    fixed={"qk_norm": "full"},
    layers=ALL_EXPERTS,
    aliases={"num_local_experts": "num_experts"},
    not_built={"use_mtp": False, "num_mtp_modules": 0},
)
