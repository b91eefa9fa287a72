"""qwen3_next: linear attention in three of four layers, fine experts and a shared one (Qwen3-Next)."""

from planners.formats import decoder, qwen3_5_moe
from planners.formats.family import LISTED_DENSE, Family
from planners.formats.foreign_parts import gate_without_shared_expert, linear_attention

FAMILY = Family(
    defaults={
        **qwen3_5_moe.FAMILY.defaults,
        **decoder.sizes(vocab=151936, hidden=2048, ffn=5632, layers=48, heads=16),
        **decoder.SPARSE_DEFAULTS,
        "num_key_value_heads": 2,
        "head_dim": 256,
        "num_experts_per_tok": 10,
        "num_experts": 512,
    },
    keys={**decoder.KEYS, **decoder.EXPERT_KEYS, "d_shared": "shared_expert_intermediate_size"},
    switches={"attention_bias": ("attention_bias", "all")},
    fixed={"qk_norm": "head"},
    fixed_experts={"shared_gate": True},
    layers=LISTED_DENSE,
    parts=(linear_attention, gate_without_shared_expert),
)
