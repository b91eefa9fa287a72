"""nemotron_h: each layer is one block: Mamba-2, attention, a two-matrix FFN, or experts (arXiv 2504.03624)."""

from planners.formats import decoder
from planners.formats.blocks import block_kinds
from planners.formats.family import BLOCKS, Family
from planners.formats.foreign_parts import one_block_layers

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=131072, hidden=4096, ffn=21504, layers=0, heads=32),
        "num_key_value_heads": 8,
        "head_dim": 128,
        "layers_block_type": None,
        "hybrid_override_pattern": "ME*-",
        "mlp_bias": False,
        "use_bias": False,
        "use_conv_bias": True,
        "ssm_state_size": 128,
        "mamba_num_heads": 128,
        "mamba_head_dim": 64,
        "n_groups": 8,
        "conv_kernel": 4,
        "n_routed_experts": 8,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 7688,
        "moe_shared_expert_intermediate_size": 7688,
        "moe_latent_size": None,
    },
    keys={
        **{name: key for name, key in decoder.KEYS.items() if name not in ("n_layers", "tied_embeddings")},
        **decoder.EXPERT_KEYS,
        "n_experts": "n_routed_experts",
        "d_shared": "moe_shared_expert_intermediate_size",
        "ffn_bias": "mlp_bias",
    },
    fixed={"ffn": "gelu", "positions": "none"},
    n_layers=lambda keys: len(block_kinds(keys)),
    layers=BLOCKS,
    parts=(one_block_layers,),
    aliases={"layers_block_type": "layer_types", "n_routed_experts": "num_local_experts"},
    refused=("moe_latent_size",),
    not_built={"tie_word_embeddings": False, "num_nextn_predict_layers": 0},
)
