"""Values that no model can have are refused in one sentence that names the key."""

import re
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from planners import UsageError
from planners.formats import FAMILIES, from_hf

MISTAKES = {
    "unknown family": ({"model_type": "mamba"}, "mamba"),
    "no family": ({"hidden_size": 8}, "no model_type"),
    "layers under another name": ({"model_type": "qwen3_moe", "num_layers": 94}, "num_layers .* reads num_hidden"),
    "heads under another name": ({"model_type": "llama", "num_kv_heads": 4}, "num_kv_heads .* num_key_value_heads"),
    "layers as text under another name": ({"model_type": "llama", "n_layer": "12"}, "n_layer .* reads num_hidden"),
    "top-k under another name": ({"model_type": "mixtral", "moe_topk": 2}, "moe_topk .* reads num_experts_per_tok"),
    "a slip of the pen": ({"model_type": "llama", "hiden_size": 64}, "hiden_size .* reads hidden_size"),
    "experts of a dense family": ({"model_type": "llama", "num_experts": 8}, "num_experts is 8"),
    "a window of layers": ({"model_type": "qwen3_5_text", "layer_types": ["full_attention"]}, "a list of 32"),
    "a pattern of other letters": ({"model_type": "nemotron_h", "hybrid_override_pattern": "MX"}, "pattern is"),
    "a list of other kinds": ({"model_type": "deepseek_v32", "mlp_layer_types": ["moe"]}, "mlp_layer_types"),
    "a part that cannot be counted": ({"model_type": "stablelm", "qk_layernorm": True}, "qk_layernorm is true"),
    "a wrapper of a wrapper": ({"model_type": "x", "text_config": {"text_config": {}}}, "innermost"),
    "a wrapper of a stranger": ({"model_type": "x", "text_config": {"model_type": "mamba"}}, "text_config of this x"),
    "family is not a word": ({"model_type": ["llama"]}, "llama"),
    "zero": ({"model_type": "llama", "hidden_size": 0}, "hidden_size is 0"),
    "negative": ({"model_type": "llama", "num_hidden_layers": -2}, "num_hidden_layers is -2"),
    "fraction": ({"model_type": "llama", "hidden_size": 4096.0}, "4096.0"),
    "infinite": ({"model_type": "llama", "hidden_size": float("inf")}, "Infinity"),
    "not a number": ({"model_type": "llama", "hidden_size": float("nan")}, "NaN"),
    "huge": ({"model_type": "llama", "hidden_size": 10**400}, "hidden_size is 1000"),
    "product huge": ({"model_type": "gpt2", "n_embd": 10**9, "n_head": 1}, "d_ff"),
    "text": ({"model_type": "llama", "vocab_size": "32000"}, '"32000"'),
    "truth for a size": ({"model_type": "llama", "vocab_size": True}, "vocab_size is true"),
    "null for a size": ({"model_type": "llama", "hidden_size": None}, "hidden_size is null"),
    "size for a truth": ({"model_type": "llama", "mlp_bias": 1}, "mlp_bias is 1"),
    "heads that do not divide": ({"model_type": "llama", "hidden_size": 100, "num_attention_heads": 7}, "multiple"),
    "groups that do not divide": (
        {"model_type": "mistral", "num_key_value_heads": 5},
        "not a multiple of n_kv_heads 5",
    ),
    "top-k above": ({"model_type": "mixtral", "num_experts_per_tok": 9}, "top_k 9"),
    "no top-k": ({"model_type": "deepseek_v2"}, "num_experts_per_tok is missing"),
    "two names": ({"model_type": "mixtral", "num_local_experts": 8, "num_experts": 4}, "two names"),
    "layers as text": ({"model_type": "qwen3_moe", "mlp_only_layers": ["0"]}, "mlp_only_layers"),
    "wide heads of olmoe": ({"model_type": "olmoe", "head_dim": 256}, "head_dim is 256"),
    "cross-attention": ({"model_type": "gpt2", "add_cross_attention": True}, "add_cross_attention"),
    "long": ({"model_type": "llama", "hidden_size": [0] * 1000}, "..."),
}


@pytest.mark.parametrize(("config", "names"), MISTAKES.values(), ids=MISTAKES)
def test_an_impossible_value_is_refused_in_one_sentence_that_names_it(config: dict, names: str) -> None:
    with pytest.raises(UsageError) as caught:
        from_hf(config)
    assert names in str(caught.value) or re.search(names, str(caught.value))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 800


def test_an_unknown_family_lists_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        from_hf({"model_type": "mamba"})
    assert all(name in str(caught.value) for name in FAMILIES)


def test_a_cyclic_value_is_refused() -> None:
    cycle: list = []
    cycle.append(cycle)
    with pytest.raises(UsageError, match="hidden_size"):
        from_hf({"model_type": "llama", "hidden_size": cycle})


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_any_value_is_counted_or_refused(model_type: str) -> None:
    keys = [*FAMILIES[model_type].defaults, "sliding_window", "use_sliding_window"]

    @settings(max_examples=20, deadline=None)
    @given(st.dictionaries(st.sampled_from(keys), ANYTHING, max_size=3))
    def run(config: dict[str, Any]) -> None:
        try:
            ours = from_hf({"model_type": model_type, **config})
        except UsageError as error:
            assert "\n" not in str(error)
            return
        assert 0 < ours.N_a <= ours.N < ours.total
        assert min(ours.parts.values()) >= 0

    run()
