"""Any configuration of any family is counted as transformers builds it."""

from typing import Any

import pytest
from hf_models import check
from hypothesis import given, settings, strategies as st

from planners.formats import FAMILIES

pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element")  # a shared expert may have no width

WIDTH, FEW, FLAG, EVEN = st.integers(1, 40), st.integers(1, 3), st.booleans(), st.integers(1, 8).map(lambda n: 2 * n)
LISTS = {
    "mlp_only_layers": st.integers(-1, 7), "moe_layers": st.integers(0, 5),
    "layer_types": st.sampled_from(["linear_attention", "full_attention"]),
    "mlp_layer_types": st.sampled_from(["dense", "sparse"]),
    "layers_block_type": st.sampled_from(["linear_attention", "full_attention", "moe", "mlp"]),
}  # fmt: skip
"""Keys that hold a list, with their items."""
ONE_A_LAYER = ("layer_types", "mlp_layer_types", "layers_block_type")
OTHERS: dict[str, st.SearchStrategy] = {
    "q_lora_rank": WIDTH, "num_ln_in_parallel_attn": st.integers(1, 2), "moe_latent_size": st.none(),
    "feed_forward_proj": st.sampled_from(["relu", "gated-gelu"]),
    "hybrid_override_pattern": st.text("ME*-", min_size=1, max_size=6),
    "qk_rope_head_dim": st.just(4), "index_head_dim": st.just(6), "num_decoder_layers": FEW,
}  # fmt: skip
"""Keys that are neither a field of a shape nor any small number."""
DIVISORS = {"mamba_num_heads": "n_groups", "linear_num_value_heads": "linear_num_key_heads"}
"""Key -> key that divides it."""


@st.composite
def configs(draw: st.DrawFn, model_type: str) -> dict[str, Any]:
    """Draw a small configuration of a family from its data; keys that are not sizes of the model may be absent."""
    family = FAMILIES[model_type]
    groups, per_group, layers, experts = draw(FEW), draw(FEW), draw(st.integers(1, 6)), draw(st.integers(1, 6))
    heads = groups * per_group
    fields: dict[str, Any] = {
        "d_model": heads * draw(EVEN), "n_layers": layers, "n_heads": heads, "n_kv_heads": groups, "d_ff": draw(WIDTH),
        "vocab_size": draw(st.integers(3, 60)), "head_dim": draw(EVEN), "n_experts": experts,
        "top_k": draw(st.integers(1, experts)), "d_expert": draw(WIDTH), "d_shared": draw(st.integers(0, 20)),
        "max_positions": draw(WIDTH),
    }  # fmt: skip
    config: dict[str, Any] = {"model_type": model_type, "pad_token_id": 0}
    optional: dict[str, st.SearchStrategy] = {}
    by_key = {key: name for name, key in reversed(family.keys.items())}
    for key, default in family.defaults.items():
        name = by_key.get(key)
        if name in fields and not (name == "head_dim" and family.heads == "exact"):
            config[key] = fields[name]
        elif key in family.refused or key in by_key:
            optional |= {key: FLAG} if isinstance(default, bool) and key not in family.refused else {}
        elif isinstance(default, bool):
            optional[key] = FLAG
        elif key in LISTS:
            most = layers if key in ONE_A_LAYER else 4
            least = most if key in ONE_A_LAYER else 0
            optional[key] = st.lists(LISTS[key], min_size=least, max_size=most)
        else:
            config[key] = draw(OTHERS.get(key, FEW))
    config |= draw(st.fixed_dictionaries({}, optional=optional))
    for key, divisor in DIVISORS.items():
        if key in config:
            config[key] *= config[divisor]
    return config


@pytest.mark.parametrize("model_type", FAMILIES)
def test_any_configuration_is_counted_as_it_is_built(model_type: str) -> None:
    @settings(max_examples=10, deadline=None)
    @given(configs(model_type))
    def run(config: dict[str, Any]) -> None:
        check(config)

    run()
