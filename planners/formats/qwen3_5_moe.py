"""qwen3_5_moe: three of four layers have linear attention, all have fine experts and a shared one (Qwen3.5)."""

from planners.formats import decoder
from planners.formats.family import ALL_EXPERTS, Family
from planners.formats.foreign_parts import LINEAR_DEFAULTS, gate_without_shared_expert, linear_attention

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=248320, hidden=2048, ffn=0, layers=40, heads=16),
        **LINEAR_DEFAULTS,
        "num_key_value_heads": 2,
        "head_dim": 256,
        "moe_intermediate_size": 512,
        "shared_expert_intermediate_size": 512,
        "num_experts_per_tok": 8,
        "num_experts": 256,
        "attention_bias": False,
    },
    keys={
        **decoder.ALL_EXPERT_KEYS,
        "d_expert": "moe_intermediate_size",
        "d_shared": "shared_expert_intermediate_size",
    },
    switches={"attention_bias": ("attention_bias", "all")},
    fixed={"qk_norm": "head"},
    fixed_experts={"shared_gate": True},
    layers=ALL_EXPERTS,
    parts=(linear_attention, gate_without_shared_expert),
    not_built={"mtp_num_hidden_layers": 0},
)
