import math
from dataclasses import replace

import pytest

from planners import Question, UsageError, make_plan
from planners.matching.frame import Geometry

ASKED = Question(study="x", total_params=1e8, budgets=(1e18,), activations=(1.0, 0.3), seq_len=512)


@pytest.mark.parametrize("value", [0, 0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize(
    "field", ["total_params", "budgets", "seq_len", "align", "lr", "batch_tokens", "vocab_size", "margin", "loss_slope",
              "unique_tokens"],
)  # fmt: skip
def test_numbers_are_positive_and_finite(field: str, value: float) -> None:
    given = (value,) if field == "budgets" else value
    with pytest.raises(UsageError, match="positive"):
        replace(ASKED, **{field: given})


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.01, math.nan])
def test_rates_are_between_0_and_1(rate: float) -> None:
    with pytest.raises(UsageError, match="outside"):
        replace(ASKED, activations=(rate,))


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"match": "N=R"}, "N=C=U"), ({"hold": "nothing"}, "aspect"), ({"top_ks": (-1,)}, "top-k"),
        ({"match": "N=D"}, "--tokens"), ({"match": "N=D", "tokens": (1e9,)}, "--budget cannot be given"),
        ({"tokens": (1e9,)}, "--tokens cannot be given"), ({"budgets": ()}, "--budget"),
        ({"total_params": None}, "--total-params"),
        ({"match": "C=D", "tokens": (1e9,)}, "--total-params cannot be given"),
        ({"match": "C=D", "tokens": (1e9,), "total_params": None, "hold": "aspect"}, "no --hold aspect"),
        ({"match": "C=D", "tokens": (1e9,), "total_params": None, "activations": (), "top_ks": (2,)}, "give rates"),
        ({"match": "N=C=U", "unique_tokens": "loose"}, "loose"),
        ({"unique_tokens": ("fresh", "much")}, "'much'"),
    ],
)  # fmt: skip
def test_contradictions_are_refused_in_one_sentence(change: dict, names: str) -> None:
    with pytest.raises(UsageError, match=names) as caught:
        replace(ASKED, **change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"shared": 1.0}, {"shared": -0.1}, {"mu": 0.0}, {"zeta": math.nan}, {"d_expert": 8, "granularity": 2.0},
               {"d_model": 64, "n_layers": 4, "mu": 9.0}],
)  # fmt: skip
def test_impossible_geometries_are_refused(change: dict) -> None:
    with pytest.raises(UsageError):
        Geometry(**change)


def test_a_single_value_has_one_spelling() -> None:
    assert replace(ASKED, total_params=(1e8,)) == ASKED
    assert replace(ASKED, unique_tokens=("fresh",)) == ASKED


def test_under_equal_unique_tokens_repetition_supplies_the_rest() -> None:
    plan = make_plan(replace(ASKED, match="N=C=U"))
    dense, moe = plan.runs
    assert dense.training.U == moe.training.U == dense.target["U"]
    assert dense.epochs == pytest.approx(1, abs=1e-3)
    assert moe.epochs > 1.5
    several = make_plan(replace(ASKED, match="N=C=U", unique_tokens=("strict", 10**8, 10**10)))
    assert [run.arm.partition(" ")[2] for run in several.runs] == ["U=strict"] * 2 + ["U=100M"] * 2
    assert len(several.refused) == 2
    assert "unique ones that all arms share" in several.refused[0].reason


def test_under_equal_tokens_C_follows() -> None:
    plan = make_plan(replace(ASKED, match="N=D", budgets=(), tokens=(1e9,)))
    assert len({run.training.D for run in plan.runs}) == 1
    assert plan.runs[0].C > 2 * plan.runs[1].C
    assert set(plan.runs[0].target) == {"N", "D", "r_a"}
    assert any("C follows the rate" in note for note in plan.notes)


def test_a_shrinking_backbone_keeps_its_aspect_ratios() -> None:
    plan = make_plan(replace(ASKED, total_params=1e9, hold="aspect", activations=(1.0, 0.5, 0.2, 0.1)))
    widths = [run.shape.d_model for run in plan.runs]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 1.5 * widths[-1]
    assert all(run.shape.zeta == pytest.approx(88, rel=0.25) for run in plan.runs)
    active = [(s.d_shared + s.top_k * s.d_expert) / s.d_model for run in plan.runs[1:] if (s := run.shape)]
    assert active == pytest.approx([2.77] * 3, rel=0.25)
    assert any("shrinks" in note for note in plan.notes)
    with pytest.raises(UsageError, match="follow the rate"):
        make_plan(replace(ASKED, hold="aspect", moe=Geometry(d_model=512)))
    with pytest.raises(UsageError, match="needs activation rates"):
        make_plan(replace(ASKED, hold="aspect", activations=(), top_ks=(1,)))


def test_several_budgets_are_a_grid_and_say_what_each_axis_identifies() -> None:
    one, grid = (
        make_plan(replace(ASKED, activations=(0.5, 0.3))),
        make_plan(replace(ASKED, activations=(0.5, 0.3), budgets=(1e18, 3e18))),
    )
    assert any("confounds r_a with tokens per parameter" in note for note in one.notes)
    assert any("A grid of r_a x C" in note for note in grid.notes)
    assert len(grid.runs) == 2 * len(one.runs)
    assert [run.shape for run in grid.runs[:2]] == [run.shape for run in grid.runs[2:]]


def test_arms_of_several_N_differ_in_label_and_target() -> None:
    plan = make_plan(replace(ASKED, total_params=(5e7, 1e8)))
    assert [run.arm.split()[-1] for run in plan.runs] == ["N=50M"] * 2 + ["N=100M"] * 2
    assert [run.target["N"] for run in plan.runs] == [5e7] * 2 + [1e8] * 2
    assert [run.N for run in plan.runs] == pytest.approx([5e7] * 2 + [1e8] * 2, rel=0.002)
