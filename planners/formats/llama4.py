"""llama4: one routed and one shared expert a token, in every layer or every second one; its text model."""

from planners.formats import decoder
from planners.formats.family import INTERLEAVED, Family

FAMILY = Family(
    defaults={
        **decoder.sizes(vocab=202048, hidden=5120, ffn=8192, layers=48, heads=40),
        "intermediate_size_mlp": 16384,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "num_local_experts": 16,
        "num_experts_per_tok": 1,
        "moe_layers": None,
        "interleave_moe_layer_step": 1,
        "attention_bias": False,
    },
    keys={
        **decoder.KEYS,
        "d_ff": "intermediate_size_mlp",
        "n_experts": "num_local_experts",
        "top_k": "num_experts_per_tok",
        "d_expert": "intermediate_size",
        "d_shared": "intermediate_size",
    },
    switches={"attention_bias": ("attention_bias", "all")},
    layers=INTERLEAVED,
)
