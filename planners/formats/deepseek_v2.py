"""deepseek_v2: latent attention, leading dense layers, fine-grained and shared experts (arXiv 2405.04434)."""

from planners.formats import decoder
from planners.formats.config_keys import REQUIRED
from planners.formats.family import LEADING_DENSE, Family
from planners.formats.foreign_parts import LATENT_DEFAULTS, latent_attention

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=102400, hidden=4096, ffn=11008, layers=32, heads=32),
        **LATENT_DEFAULTS,
        "mlp_bias": False,
        "first_k_dense_replace": 0,
        "n_routed_experts": 64,
        "n_shared_experts": 2,
        "num_experts_per_tok": REQUIRED,
        "moe_intermediate_size": 1407,
    },
    keys={**decoder.LATENT_KEYS, "ffn_bias": "mlp_bias"},
    heads="divide",
    layers=LEADING_DENSE,
    shared_experts="n_shared_experts",
    parts=(latent_attention,),
    aliases={"n_routed_experts": "num_experts"},
    not_built={"moe_layer_freq": 1},
)
