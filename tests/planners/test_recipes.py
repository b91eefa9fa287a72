import math

import pytest
from hypothesis import given, strategies as st
from shapes import LI2025_2B, shapes

from planners import Question, UsageError, make_plan
from planners.architecture.shape import Shape
from planners.published.li2025.rows import li2025_runs
from planners.recipes import (
    RECIPES,
    Overrides,
    default_recipe,
    hyperparameters,
    joint_moe,
    li2025,
    ling,
    step_law,
)

TINY = Shape(d_model=32, n_layers=3, n_dense_layers=3, n_heads=1, n_kv_heads=1, head_dim=32, d_ff=88, vocab_size=256)


def test_step_law_gives_its_published_values() -> None:
    """arXiv 2503.04715 at N 2.15e9, D 1.14e11: 9.85e-4 and 1.194e6 tokens (our N counts norms and router too)."""
    lr, batch = step_law(LI2025_2B, 1.14e11)
    assert lr == pytest.approx(9.85e-4, rel=2e-3)
    assert batch == pytest.approx(1.194e6, rel=1e-3)


def test_li2025_counts_n_as_the_paper() -> None:
    """N 2,150,612,992 and D 1.14e11: 9.85e-4; N 6.52e9 and D 3.16e11: 6.11e-4 and 2.14e6 tokens."""
    assert li2025(LI2025_2B, 1.14e11) == pytest.approx((9.85e-4, 1.194e6), rel=1e-3)
    best_7b = next(run for run in li2025_runs() if (run.table, run.r_a) == (12, 0.2007))
    assert best_7b.shape
    assert li2025(best_7b.shape, best_7b.D) == pytest.approx((6.11e-4, 2.14e6), rel=2e-3)


def test_li2025_is_what_the_papers_7b_tables_hold_and_its_2b_moe_tables_do_not() -> None:
    """Printed learning rate and batch over the rule's; at 2B the paper did not use the rule that it names."""

    def ratios(table: int, scale: str) -> list[tuple[float, float]]:
        rows = [run for run in li2025_runs() if (run.table, run.scale) == (table, scale)]
        ruled = [(run, *li2025(run.shape, run.D)) for run in rows if run.shape]
        assert len(ruled) == len(rows) > 0
        return [(run.lr / lr, run.batch_tokens / batch) for run, lr, batch in ruled if run.lr and run.batch_tokens]

    for table in (12, 13):
        assert all(lr == pytest.approx(1.02, abs=0.005) for lr, _ in ratios(table, "7B"))
        assert all(batch == pytest.approx(1.0, abs=0.061) for _, batch in ratios(table, "7B"))
    assert all(lr == pytest.approx(2.04, abs=0.02) for lr, _ in ratios(10, "2B"))
    assert all(1.12 < batch < 1.25 for _, batch in ratios(10, "2B"))
    assert all(lr == pytest.approx(1.02, abs=0.01) for lr, _ in ratios(13, "2B"))
    assert all(lr == pytest.approx(2.03, abs=0.01) for lr, _ in ratios(13, "3B"))


def test_joint_moe_lowers_the_rate_with_experts() -> None:
    """arXiv 2502.05172: exp(8.39 - 0.81 ln 1e8 - 0.25 ln E) is 1.458e-3 at E 1; 16 times E halves it."""
    dense = Shape(**{**vars_of(TINY), "d_model": 768, "n_layers": 14, "n_dense_layers": 14, "d_ff": 2048})
    assert joint_moe(dense, 1e10)[0] == pytest.approx(1.458e-3 * (dense.N_a / 1e8) ** -0.81, rel=1e-3)
    experts = {"n_dense_layers": 0, "top_k": 1, "d_expert": 2048}
    few, many = (Shape(**{**vars_of(dense), **experts, "n_experts": n}) for n in (2, 32))
    same_n_a = (many.N_a / few.N_a) ** -0.81
    assert joint_moe(many, 1e10)[0] / joint_moe(few, 1e10)[0] == pytest.approx(same_n_a / 2)
    assert joint_moe(few, 1e10)[1] == 262_144


def vars_of(shape: Shape) -> dict[str, int]:
    return {name: getattr(shape, name) for name in Shape.__dataclass_fields__}


def test_ling_depends_only_on_C() -> None:
    """arXiv 2507.17702, computed for C = 1e20: 1.1576 * 10^-3.058 = 1.013e-3 and 0.0694 * 10^7.288 = 1.347e6 tokens."""
    assert ling(LI2025_2B, 1e9, 1e20) == ling(TINY, 2e9, 1e20) == pytest.approx((1.013e-3, 1.347e6), rel=1e-3)
    made = hyperparameters("ling", LI2025_2B, 1e11, 2048)
    C = 1e11 * (6 * (LI2025_2B.N_a - LI2025_2B.parts["norms"] - LI2025_2B.parts["router"]) + 12 * 1408 * 2048 * 16)
    assert made.lr == ling(LI2025_2B, 1e11, C)[0]


def test_small_scale_gives_each_arm_its_own_numbers() -> None:
    few, many = (hyperparameters("small-scale", TINY, D, 128) for D in (1e5, 1e7))
    assert few.batch_tokens == 128
    assert many.batch_tokens == 512
    assert few.lr == many.lr == 0.2 / 32
    assert many.warmup_steps == 200
    assert few.warmup_steps == 40  # 5 % of 781 steps, rounded up
    assert few.lr_floor == pytest.approx(few.lr / 10)
    assert (few.schedule, few.weight_decay) == ("cosine", 0.1)


@pytest.mark.parametrize(("steps", "warmup"), [(300, 150), (5_000, 200), (99_182, 992), (250_000, 2_000)])
def test_li2025_warms_up_for_one_percent_between_200_and_2000_steps(steps: int, warmup: int) -> None:
    made = hyperparameters("li2025", LI2025_2B, steps * 2**20, 2048, Overrides(batch_tokens=2**20))
    assert (made.warmup_steps, made.lr_floor, made.weight_decay, made.schedule) == (warmup, 1e-5, 0.1, "cosine")


def test_joint_moe_warms_up_for_130m_tokens_and_cools_down_to_zero() -> None:
    made = hyperparameters("joint-moe", LI2025_2B, 1e10, 2048)
    assert (made.warmup_steps, made.lr_floor, made.schedule) == (round(130e6 / 2**18), 0.0, "wsd")


def test_overrides_and_defaults() -> None:
    given = Overrides(lr=1e-4, batch_tokens=5000, warmup_steps=0, weight_decay=0.0, schedule="wsd")
    made = hyperparameters("step-law", LI2025_2B, 1e9, 2048, given)
    assert (made.lr, made.batch_tokens, made.warmup_steps, made.weight_decay) == (1e-4, 4096, 0, 0.0)
    assert (made.schedule, made.lr_floor) == ("wsd", 0.0)
    assert (default_recipe(3e5), default_recipe(1e8)) == ("small-scale", "step-law")
    with pytest.raises(UsageError, match="unheard"):
        hyperparameters("unheard", LI2025_2B, 1e9, 2048)


@given(shapes(), st.sampled_from(list(RECIPES)), st.floats(1e4, 1e13), st.sampled_from([32, 128, 2048]))
def test_every_recipe_gives_a_run_that_can_be_trained(shape: Shape, name: str, D: float, seq_len: int) -> None:
    made = hyperparameters(name, shape, D, seq_len)
    steps = max(1, round(D / made.batch_tokens))
    assert made.batch_tokens % seq_len == 0 < made.batch_tokens
    assert 0 <= made.lr_floor <= made.lr < math.inf
    assert 0 <= made.warmup_steps <= steps


def test_plans_say_where_recipes_disagree() -> None:
    """At 100M and 3e18 FLOPs the rule with a sparsity term is far below Step Law for sparse arms."""
    question = Question(study="rules", total_params=1e8, budgets=(3e18,), activations=(1, 0.1), seq_len=2048)
    plan = make_plan(question)
    sentences = [note for note in plan.notes if "Recipes disagree" in note]
    assert sentences
    for sentence in sentences:
        assert "small-scale" not in sentence


def test_disagreement_names_the_widest_case_and_both_rules() -> None:
    question = Question(study="rules", total_params=2.15e9, budgets=(9e20,), activations=(1, 0.1), seq_len=2048)
    plan = make_plan(question)
    runs = plan.runs
    C = {run.arm: run.training.D * run.flops_per_token["li2025"] for run in runs}
    rates = {
        (run.arm, name): recipe.rule(run.shape, run.training.D, C[run.arm])[0]
        for run in runs
        for name, recipe in RECIPES.items()
        if name not in ("small-scale", "surface", "li2025")
    }
    widest = max(
        max(v for k, v in rates.items() if k[0] == arm) / min(v for k, v in rates.items() if k[0] == arm) for arm in C
    )
    said = [note for note in plan.notes if "Recipes disagree on the learning rate" in note]
    assert bool(said) == (widest > 2)
    assert all(f"{widest:.1f}x" in sentence for sentence in said)
