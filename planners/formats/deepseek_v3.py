"""deepseek_v3: deepseek_v2 with a sigmoid router balanced by a bias, which is no parameter (arXiv 2412.19437).

The library builds no multi-token prediction modules, so they are not counted.
"""

from planners.formats import latent
from planners.formats.family import Family
from planners.formats.foreign import Foreign
from planners.formats.given import Given


def read(given: Given) -> Foreign:
    """Return the model."""
    return Foreign(model_type="deepseek_v3", **latent.fields(given, ffn_bias=False))


FAMILY = Family(
    model_type="deepseek_v3",
    defaults={
        **latent.DEFAULTS,
        "vocab_size": 129280,
        "hidden_size": 7168,
        "intermediate_size": 18432,
        "num_hidden_layers": 61,
        "num_attention_heads": 128,
        "first_k_dense_replace": 3,
        "n_routed_experts": 256,
        "n_shared_experts": 1,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 2048,
    },
    aliases={"n_routed_experts": "num_local_experts"},
    read=read,
    not_built={"moe_layer_freq": 1, "num_nextn_predict_layers": 0},
)
