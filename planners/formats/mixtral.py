"""mixtral: every layer has experts and none is shared; the gates of the chosen ones sum to 1 (arXiv 2401.04088)."""

from planners.formats import decoder
from planners.formats.family import ALL_EXPERTS, Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=32000, hidden=4096, ffn=14336, layers=32, heads=32),
        "num_key_value_heads": 8,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
    },
    keys={**decoder.ALL_EXPERT_KEYS, "n_experts": "num_local_experts"},
    layers=ALL_EXPERTS,
    aliases={"num_local_experts": "num_experts"},
    constants={**decoder.CONSTANTS, "sliding_window": None},
    router_keys={"balance": "router_aux_loss_coef"},
)
