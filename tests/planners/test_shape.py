import pytest
from hypothesis import given
from shapes import LI2025_2B, shapes

from planners import Shape, UsageError


def test_the_papers_backbone_has_the_papers_size() -> None:
    parts = LI2025_2B.parts
    assert LI2025_2B.N - parts["router"] - parts["norms"] == 2_150_612_992
    active = LI2025_2B.N_a - parts["router"] - parts["norms"]
    assert active / 2_150_612_992 == pytest.approx(0.1911, abs=5e-5)  # table 9
    assert LI2025_2B.mu == 22.5
    assert LI2025_2B.zeta == 88
    assert LI2025_2B.granularity == pytest.approx(3904 / 352)


@given(shapes())
def test_counts_hang_together(shape: Shape) -> None:
    assert sum(shape.parts.values()) == shape.total == shape.N + shape.N_vocab
    assert shape.active == shape.N_a + shape.N_vocab
    inactive = (shape.n_experts - shape.top_k) * shape.expert_parameters * shape.n_moe_layers
    assert shape.N_a == shape.N - inactive
    assert 0 < shape.r_a <= 1
    assert shape.is_dense == (shape.mu is None) == (shape.A_e is None)
    assert not shape.is_dense or shape.r_a == 1


@pytest.mark.parametrize(
    "change",
    [{"d_model": 0}, {"head_dim": 127}, {"top_k": 0}, {"top_k": 85}, {"d_expert": 0}, {"n_kv_heads": 3},
     {"n_dense_layers": 17}, {"ffn": "relu"}, {"n_dense_layers": 16}],
)  # fmt: skip
def test_impossible_sizes_are_refused(change: dict) -> None:
    from dataclasses import replace

    with pytest.raises(UsageError):
        replace(LI2025_2B, **change)
