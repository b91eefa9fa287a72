"""Predictions of fitted laws: against closed forms, with the parts of their intervals, and what they refuse."""

import math

import numpy as np
import pytest
from made_ladders import best_size, dense_runs, moe_runs

from fits import LAWS, fit_law, fit_study, from_records
from fits.predict.prediction import Prediction
from planners.records.errors import UsageError
from planners.records.json import from_json, to_json


@pytest.mark.parametrize("C", [1e19, 1e21, 1e24])
def test_the_compute_optimal_size_equals_the_closed_form(C):
    found = fit_law(from_records(dense_runs()), "chinchilla", bootstrap=0).allocate(C)
    assert found.of("N").value == pytest.approx(best_size(C), rel=1e-3)
    assert found.of("D").value == pytest.approx(C / 6 / best_size(C), rel=1e-3)
    assert found.of("D_per_N").value == pytest.approx(C / 6 / best_size(C) ** 2, rel=2e-3)
    assert found.loss.lo is None
    assert found.beyond["C"] == pytest.approx(max(1.0, C / 1e20))


def test_intervals_state_their_parts_and_grow_beyond_the_runs():
    fit = fit_law(from_records(dense_runs(noise=0.004, seed=1)), "chinchilla", bootstrap=200)
    near, far = fit.allocate(C=1e20), fit.allocate(C=1e23)
    for found in (near, far):
        for one in found.values:
            assert one.lo <= one.value <= one.hi
            assert min(one.parameters) >= 0
            assert min(one.form) >= 0
        assert found.loss.noise is not None
        assert found.of("N").noise is None
    assert math.log(far.of("N").hi / far.of("N").lo) > 1.3 * math.log(near.of("N").hi / near.of("N").lo)
    assert far.extrapolation.startswith("1000-fold in C")
    assert near.extrapolation == ""
    assert near.of("N").lo < best_size(1e20) < near.of("N").hi
    assert "skaling" in near.forms
    assert from_json(Prediction, to_json(near), "a test") == near


def test_a_named_run_is_predicted_and_its_compute_follows():
    fit = fit_law(from_records(dense_runs()), "chinchilla", bootstrap=0)
    found = fit.predict(N=7e9, D=1.4e11)
    assert found.loss.value == pytest.approx(1.8 + 480 / 7e9**0.35 + 2000 / 1.4e11**0.37, rel=1e-4)
    assert found.at["C"] == pytest.approx(6 * 7e9 * 1.4e11)
    assert fit.predict(N=7e9, C=6 * 7e9 * 1.4e11).loss.value == pytest.approx(found.loss.value)
    assert "30-fold" not in str(found)
    assert "beyond the runs" in str(found)


def test_a_table_with_its_own_flops_keeps_their_factor():
    rows = [{**row, "C": 9 * row["N"] * row["D"]} for row in dense_runs()]
    found = fit_law(from_records(rows), "chinchilla", bootstrap=0).allocate(C=1e20)
    assert found.of("D").value * found.of("N").value * 9 == pytest.approx(1e20)
    assert any("C = 9 N_a D" in note for note in found.notes)


def test_one_size_answers_with_what_is_held():
    """The best rate at a budget of the runs and beyond, and dense less MoE; no compute-optimal N."""
    fit = fit_law(from_records(moe_runs(noise=0.001)), "activation")
    assert fit.params["alpha"].status == "fixed"
    assert any("all runs have one N" in note for note in fit.notes)
    inside, beyond = fit.predict(N=1e8, C=3e18), fit.predict(N=1e8, C=3e19)
    assert inside.of("r_a").value == pytest.approx(0.2, rel=0.05)
    assert inside.of("r_a").lo < 0.2 < inside.of("r_a").hi
    assert inside.of("dense_minus_moe").value == pytest.approx(0.05, abs=0.004)
    assert beyond.of("r_a").lo < 0.2 * 10**0.1 < beyond.of("r_a").hi
    assert beyond.beyond["C"] == pytest.approx(3.0)
    assert fit.predict(N=1e8, C=3e18, r_a=0.05).loss.value > inside.loss.value
    with pytest.raises(UsageError, match="all runs have N = 1e"):
        fit.allocate(C=1e19)
    with pytest.raises(UsageError, match="says nothing of N = 1e"):
        fit.predict(N=1e9, C=1e19)


def test_several_sizes_give_the_best_rate_at_another_size():
    fit = fit_law(from_records(moe_runs(noise=0.001, sizes=(5e7, 1e8, 2e8, 4e8))), "activation", bootstrap=50)
    found = fit.predict(N=1e9, C=3e18)
    assert found.of("r_a").value == pytest.approx(0.2, rel=0.15)
    assert found.of("dense_minus_moe") is None  # no dense arm of that size
    allocated = fit.allocate(C=3e18)
    assert allocated.optimal == ("N", "r_a")


def test_what_cannot_be_predicted_is_refused_in_a_sentence():
    fit = fit_law(from_records(dense_runs()), "chinchilla", bootstrap=0)
    for given, said in (
        ({"N": 1e9}, "add D="),
        ({"C": -1.0}, "positive"),
        ({"M": 1.0}, "is not one of"),
        ({}, "needs a value"),
    ):
        with pytest.raises(UsageError, match=said):
            fit.predict(**given)
    with pytest.raises(UsageError, match="no term of data"):
        fit_law(from_records(dense_runs()), "kaplan", bootstrap=0).allocate(C=1e20)
    with pytest.raises(UsageError, match="read from a file"):
        from_json(type(fit), to_json(fit), "a test").allocate(C=1e20)


def test_a_law_without_its_column_leaves_the_others_standing():
    found = fit_study(from_records(dense_runs()), ["chinchilla", "abnar", "allocation"], bootstrap=0, at=[{"C": 1e21}])
    assert [fit.law for fit in found.fits] == ["chinchilla"]
    assert set(found.refused) == {"abnar", "allocation"}
    assert [one.asked for one in found.predictions] == [True, False]
    assert "compute-optimal tokens per parameter at C = 1e20" in str(found)
    assert "[[Refused]] abnar" in str(found)


def test_a_target_without_a_law_fits_the_usual_one():
    assert [fit.law for fit in fit_study(from_records(dense_runs()), at=[{"C": 1e21}], bootstrap=0).fits] == [
        "chinchilla"
    ]
    found = fit_study(from_records(moe_runs(noise=0.002)), at=[{"N": 1e8, "C": 1e19}], bootstrap=20)
    assert {one.law for one in found.predictions} == {"activation"}


def test_a_target_adds_a_law_that_can_predict_to_a_curve():
    runs = from_records(moe_runs(noise=0.002))
    found = fit_study(runs, ["quadratic"], at=[{"N": 1e8, "C": 3e18}], bootstrap=20)
    assert {fit.law for fit in found.fits} == {"quadratic", "activation"}


def test_runs_without_total_sizes_give_no_compute_optimal_size():
    sizes = [(N_a, D, E) for N_a in (5e7, 2e8, 8e8) for D in (5e8, 3e9, 2e10) for E in (1, 2, 4, 8, 32)]
    law = LAWS["ludziejewski"]
    rows = [
        {"N_a": N_a, "D": D, "n_experts": E, "loss": float(law.loss(law.examples[0].params, place)[0])}
        for N_a, D, E in sizes
        if (place := {"N_a": np.array([N_a]), "D": np.array([D]), "n_experts": np.array([float(E)])})
    ]
    found = fit_study(from_records(rows), ["ludziejewski"], bootstrap=0)
    assert found.predictions == ()
    with pytest.raises(UsageError, match="no column N"):
        found.fits[0].allocate(C=1e20)
