from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st
from shapes import LI2025_2B, shapes

from planners import Shape, UsageError
from planners.records.json import content_hash, without_defaults

GPT2 = Shape(
    d_model=768, n_layers=12, n_dense_layers=12, n_heads=12, n_kv_heads=12, head_dim=64, d_ff=3072, vocab_size=50257,
    tied_embeddings=True, ffn="gelu", norm="layernorm", positions="learned", max_positions=1024, attention_bias="all",
    ffn_bias=True,
)  # fmt: skip


def test_the_papers_backbone_has_the_papers_size() -> None:
    parts = LI2025_2B.parts
    assert LI2025_2B.N - parts["router"] - parts["norms"] == 2_150_612_992
    active = LI2025_2B.N_a - parts["router"] - parts["norms"]
    assert active / 2_150_612_992 == pytest.approx(0.1911, abs=5e-5)  # table 9
    assert LI2025_2B.mu == 22.5
    assert LI2025_2B.zeta == 88
    assert LI2025_2B.granularity == pytest.approx(3904 / 352)


@given(shapes())
def test_counts_are_consistent(shape: Shape) -> None:
    assert sum(shape.parts.values()) == shape.total == shape.N + shape.N_vocab
    assert shape.active == shape.N_a + shape.N_vocab
    inactive = (shape.n_experts - shape.top_k) * shape.expert_parameters * shape.n_moe_layers
    assert shape.N_a == shape.N - inactive
    assert 0 < shape.r_a <= 1
    assert shape.is_dense == (shape.mu is None) == (shape.A_e is None)
    assert not shape.is_dense or shape.r_a == 1


def test_gpt2_has_its_published_size() -> None:
    """124,439,808 parameters, as in the released weights."""
    assert GPT2.total == 124_439_808
    assert GPT2.parts["positions"] == 1024 * 768
    assert GPT2.total - 50257 * 768 == GPT2.N


def test_each_field_adds_its_documented_parameters() -> None:
    """Each field changes N by a number of weights that is written out here."""
    d, L, H, kv, h, e = 1408, 16, 11, 11, 128, 352
    added = {
        ("norm", "layernorm"): ("norms", (2 * L + 1) * d),
        ("attention_bias", "qkv"): ("attention", L * (H + 2 * kv) * h),
        ("attention_bias", "all"): ("attention", L * ((H + 2 * kv) * h + d)),
        ("ffn_bias", True): ("dense_ffn", 2 * 3904 + d),
        ("expert_bias", True): ("routed_experts", 15 * 84 * (2 * e + d)),
        ("qk_norm", "head"): ("norms", L * 2 * h),
        ("qk_norm", "full"): ("norms", L * (H + kv) * h),
        ("shared_gate", True): ("shared_expert", 15 * d),
        ("positions", "alibi"): ("positions", 0),
        ("causal", False): ("positions", 0),
    }
    for (field, value), (part, count) in added.items():
        changed = replace(LI2025_2B, **{field: value})
        assert changed.parts[part] - LI2025_2B.parts[part] == count, field
        if field not in ("expert_bias", "shared_gate"):
            assert changed.total - LI2025_2B.total == count
        assert changed.products == {
            **LI2025_2B.products,
            **({part: 15 * (3 * d * 2112 + d)} if field == "shared_gate" else {}),
        }
    gelu = replace(LI2025_2B, ffn="gelu", expert_bias=True)
    assert gelu.expert_parameters == 2 * d * e + e + d


def test_the_papers_formulas_follow_from_the_parts() -> None:
    """N and r_a of arXiv 2506.12119, section 3, for multi-head attention, swiglu, no router and no norms."""
    shape = LI2025_2B
    alpha, mu, beta = (Fraction(width, 1408) for width in (3904, 2112 + 84 * 352, 2112 + 6 * 352))
    dense = (4 + 3 * alpha) * 1408**2
    assert shape.N - shape.parts["router"] - shape.parts["norms"] == (4 + 3 * mu) * 1408**2 * 15 + dense
    assert shape.N_a - shape.parts["router"] - shape.parts["norms"] == (4 + 3 * beta) * 1408**2 * 15 + dense


@given(st.integers(1, 12), st.integers(0, 12), st.integers(1, 5))
def test_moe_layers_are_where_is_moe_layer_says(n_layers: int, n_dense: int, every: int) -> None:
    try:
        shape = replace(LI2025_2B, n_layers=n_layers, n_dense_layers=n_dense, moe_every=every)
    except UsageError as error:
        assert "MoE layer" in str(error) or "n_dense_layers" in str(error)
        return
    layers = [shape.is_moe_layer(index) for index in range(n_layers)]
    assert sum(layers) == shape.n_moe_layers > 0
    assert not any(layers[:n_dense])
    assert layers.index(True) == n_dense + every - 1
    assert shape.parts["dense_ffn"] == layers.count(False) * 3 * 1408 * 3904


def test_fields_added_later_leave_old_run_ids_alone() -> None:
    """The hash over the fields of the first version, as in old studies."""
    before = {
        "d_model": 1408, "n_layers": 16, "n_dense_layers": 1, "n_heads": 11, "n_kv_heads": 11, "head_dim": 128,
        "d_ff": 3904, "n_experts": 84, "top_k": 6, "d_expert": 352, "d_shared": 2112, "vocab_size": 65536,
    }  # fmt: skip
    assert content_hash(without_defaults(LI2025_2B)) == content_hash(before)


@pytest.mark.parametrize(
    "change",
    [{"d_model": 0}, {"head_dim": 127}, {"top_k": 0}, {"top_k": 85}, {"d_expert": 0}, {"n_kv_heads": 3},
     {"n_dense_layers": 17}, {"ffn": "relu"}, {"n_dense_layers": 16},
     {"moe_every": 16}, {"moe_every": 0}, {"norm": "batch"}, {"positions": "learned"}, {"max_positions": 8},
     {"positions": "learned", "max_positions": -1}, {"attention_bias": "k"}, {"qk_norm": "rms"}, {"d_shared": -8},
     {"d_shared": 0, "shared_gate": True}],
)  # fmt: skip
def test_impossible_sizes_are_refused(change: dict) -> None:
    with pytest.raises(UsageError):
        replace(LI2025_2B, **change)


@pytest.mark.parametrize("change", [{"moe_every": 2}, {"expert_bias": True}, {"shared_gate": True}, {"top_k": 1}])
def test_a_dense_model_refuses_expert_settings(change: dict) -> None:
    """Such settings would change the run id and nothing else."""
    with pytest.raises(UsageError, match="MoE layer"):
        replace(GPT2, **change)
