import pytest
from shapes import LI2025_2B

from planners import UsageError
from planners.recipes import Overrides, default_recipe, hyperparameters, step_law
from planners.shape import Shape


def test_step_law_gives_its_test_values() -> None:
    """arXiv 2503.04715 at N 2.15e9, D 1.14e11: 9.85e-4 and 1.194e6 tokens (our N counts norms and router too)."""
    lr, batch = step_law(LI2025_2B, 1.14e11)
    assert lr == pytest.approx(9.85e-4, rel=5e-3)
    assert batch == pytest.approx(1.194e6, rel=1e-3)


def test_small_scale_gives_each_arm_its_own() -> None:
    shape = Shape(
        d_model=32, n_layers=3, n_dense_layers=3, n_heads=1, n_kv_heads=1, head_dim=32, d_ff=88, vocab_size=256
    )
    few, many = (hyperparameters("small-scale", shape, D, 128) for D in (1e5, 1e7))
    assert few.batch_tokens == 128
    assert many.batch_tokens == 512
    assert few.lr == many.lr == 0.14 / 32
    assert many.warmup_steps == 200
    assert few.warmup_steps == 40  # 5 % of 781 steps, rounded up
    assert few.lr_floor == pytest.approx(few.lr / 10)


def test_overrides_and_defaults() -> None:
    shape = LI2025_2B
    made = hyperparameters("step-law", shape, 1e9, 2048, Overrides(lr=1e-4, batch_tokens=5000))
    assert (made.lr, made.batch_tokens) == (1e-4, 4096)
    assert (default_recipe(3e5), default_recipe(1e8)) == ("small-scale", "step-law")
    with pytest.raises(UsageError, match="unheard"):
        hyperparameters("unheard", shape, 1e9, 2048)
