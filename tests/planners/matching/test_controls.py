import csv
import math
from dataclasses import replace

import pytest

from planners import Question, UsageError, make_plan
from planners.matching.controls import CHINCHILLA
from planners.published import published

ASKED = Question(
    study="x", total_params=2e8, budgets=(2e18,), activations=(1.0, 0.3), top_ks=(4,), seq_len=512, vocab_size=1000
)


def test_the_compute_optimal_size_has_the_lowest_loss_and_is_the_published_one() -> None:
    def loss(N: float, C: float) -> float:
        return CHINCHILLA.A / N**CHINCHILLA.alpha + CHINCHILLA.B / (C / 6 / N) ** CHINCHILLA.beta

    for C in (1e18, 1e21, 5.76e23):
        N = CHINCHILLA.optimal_N(C)
        assert loss(N, C) < min(loss(N * 1.02, C), loss(N / 1.02, C))
    # arXiv 2404.10102 states about 20 tokens per parameter and 70B parameters at Gopher's budget
    assert CHINCHILLA.optimal_N(5.76e23) == pytest.approx(7.2e10, rel=0.02)


def test_the_fitted_range_is_the_range_of_the_published_runs() -> None:
    with published("chinchilla_kyotakano234").path.open() as file:
        C = [float(row["flops"]) for row in csv.DictReader(file)]
    assert pytest.approx((min(C), max(C)), rel=0.01) == CHINCHILLA.C_fitted


def test_controls_are_dense_at_the_same_C_and_have_another_N() -> None:
    plan = make_plan(replace(ASKED, controls=("optimal", "active:.3", "active:K4")))
    controls = [run for run in plan.runs if run.role == "control"]
    moe = next(run for run in plan.runs if not run.shape.is_dense)
    assert controls[0].arm == "dense optimal"
    assert controls[1].arm == f"dense N_a of {moe.arm}"
    assert pytest.approx(CHINCHILLA.optimal_N(2e18), rel=0.002) == controls[0].N
    assert pytest.approx(moe.N_a, rel=0.002) == controls[1].N
    for run in controls:
        assert run.shape.is_dense
        assert "N" not in run.target
        assert math.isclose(run.C, 2e18, rel_tol=1e-3)
    assert any("Dense controls" in note for note in plan.notes)
    assert any("2404.10102" in note for note in plan.notes)
    assert not any("extrapolation" in note for note in plan.notes)
    assert [run for run in plan.runs if run.role == "matched"] == list(make_plan(ASKED).runs)


def test_a_plan_says_where_it_extrapolates_the_law() -> None:
    plan = make_plan(replace(ASKED, budgets=(1e23, 1e18), total_params=1e9, controls=("optimal",)))
    (note,) = [note for note in plan.notes if "extrapolation" in note]
    assert "C = 1e18, 1e23 its N" in note


def test_one_compute_optimal_arm_serves_several_N() -> None:
    plan = make_plan(replace(ASKED, total_params=(1e8, 2e8), controls=("optimal", "active:.3")))
    assert [run.arm for run in plan.runs].count("dense optimal") == 1
    assert sum(run.role == "control" for run in plan.runs) == 3
    assert plan.refused == ()


def test_impossible_controls_are_refused() -> None:
    for name in ("active:K5", "active:.7"):
        with pytest.raises(UsageError, match="no arm of this plan"):
            make_plan(replace(ASKED, controls=(name,)))
    with pytest.raises(UsageError, match="neither optimal nor active"):
        replace(ASKED, controls=("best",))
    plan = make_plan(replace(ASKED, match="N=D", budgets=(), tokens=(1e9,), controls=("optimal", "active:.3")))
    assert [cell.cell for cell in plan.refused] == ["control optimal"]
    assert sum(run.role == "control" for run in plan.runs) == 1


def test_learning_rates_are_checked_at_sqrt_2_to_either_side() -> None:
    plan = make_plan(replace(ASKED, lr_check=("dense",)))
    assert [run.role for run in plan.runs] == ["matched", "matched", "lr_check", "lr_check"]
    dense, _, up, down = plan.runs
    assert (up.arm, down.arm) == ("dense lr*1.41", "dense lr/1.41")
    assert (dense.series, up.series, down.series) == ("", "lr*1.41", "lr/1.41")
    assert up.training.lr == pytest.approx(dense.training.lr * math.sqrt(2))
    assert down.training.lr == pytest.approx(dense.training.lr / math.sqrt(2))
    for run in (up, down):
        assert run.shape == dense.shape
        assert replace(run.training, lr=0.1, lr_floor=0.1) == replace(dense.training, lr=0.1, lr_floor=0.1)
    everything = make_plan(replace(ASKED, lr_check=("all",), controls=("optimal",), seeds=(0, 1)))
    assert sum(run.role == "lr_check" for run in everything.runs) == 2 * 2 * 2
    with pytest.raises(UsageError, match="no arm of this plan"):
        make_plan(replace(ASKED, lr_check=("K5",)))
