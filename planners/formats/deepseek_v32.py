"""deepseek_v32: deepseek_v3 with an indexer that picks the positions which attention sees (DeepSeek-V3.2)."""

from planners.formats import decoder, deepseek_v3
from planners.formats.family import TYPED, Family
from planners.formats.foreign_parts import index_of_positions, latent_attention

FAMILY = Family(
    defaults={
        **deepseek_v3.FAMILY.defaults,
        "index_n_heads": 64,
        "index_head_dim": 128,
        "mlp_layer_types": None,
    },
    keys=decoder.LATENT_KEYS,
    layers=TYPED,
    shared_experts="n_shared_experts",
    parts=(latent_attention, index_of_positions),
    aliases=deepseek_v3.FAMILY.aliases,
    not_built=deepseek_v3.FAMILY.not_built,
)
