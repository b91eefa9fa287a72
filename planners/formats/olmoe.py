"""olmoe: fine-grained experts in every layer, norms over the full queries and keys (arXiv 2409.02060)."""

from planners.formats import decoder
from planners.formats.family import ALL_EXPERTS, Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=50304, hidden=2048, ffn=2048, layers=16, heads=16),
        "num_experts_per_tok": 8,
        "num_experts": 64,
        "attention_bias": False,
    },
    keys=decoder.ALL_EXPERT_KEYS,
    switches={"attention_bias": ("attention_bias", "all")},
    fixed={"qk_norm": "full"},
    heads="exact",  # the library takes the width of the norms from d_model
    layers=ALL_EXPERTS,
    aliases={"num_experts": "num_local_experts"},
    constants=decoder.CONSTANTS,
    router_keys=decoder.ROUTER_KEYS,
)
