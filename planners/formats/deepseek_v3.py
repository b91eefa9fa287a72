"""deepseek_v3: deepseek_v2 with a sigmoid router, balanced by a bias that is not a parameter (arXiv 2412.19437).

The library builds no multi-token prediction modules, so they are not counted.
"""

from planners.formats import decoder
from planners.formats.family import LEADING_DENSE, Family
from planners.formats.foreign_parts import LATENT_DEFAULTS, latent_attention

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=129280, hidden=7168, ffn=18432, layers=61, heads=128),
        **LATENT_DEFAULTS,
        "first_k_dense_replace": 3,
        "n_routed_experts": 256,
        "n_shared_experts": 1,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 2048,
    },
    keys=decoder.LATENT_KEYS,
    layers=LEADING_DENSE,
    shared_experts="n_shared_experts",
    parts=(latent_attention,),
    aliases={"n_routed_experts": "num_local_experts"},
    not_built={"moe_layer_freq": 1, "num_nextn_predict_layers": 0},
)
