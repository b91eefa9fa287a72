"""deepseek_v2: latent attention, leading dense layers, fine-grained and shared experts (arXiv 2405.04434)."""

from planners.formats import latent
from planners.formats.family import Family
from planners.formats.foreign import Foreign
from planners.formats.given import REQUIRED, Given


def read(given: Given) -> Foreign:
    """Return the model."""
    given.width_of_heads("hidden_size", "num_attention_heads")
    return Foreign(model_type="deepseek_v2", **latent.fields(given, ffn_bias=given.flag("mlp_bias")))


FAMILY = Family(
    model_type="deepseek_v2",
    defaults={
        **latent.DEFAULTS,
        "vocab_size": 102400,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "mlp_bias": False,
        "first_k_dense_replace": 0,
        "n_routed_experts": 64,
        "n_shared_experts": 2,
        "num_experts_per_tok": REQUIRED,
        "moe_intermediate_size": 1407,
    },
    aliases={"n_routed_experts": "num_experts"},
    read=read,
    not_built={"moe_layer_freq": 1},
)
