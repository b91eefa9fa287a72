"""Several learning rates of a cell: the best is kept or each is a series; they are never replicates."""

import math

import pytest
from hypothesis import given, settings, strategies as st

from fits import fit_study, from_records
from fits.runs.learning_rates import best_learning_rates, choose_learning_rates
from fits.runs.series import series
from planners.records.errors import UsageError

RATES = (0.05, 0.1, 0.2, 0.4, 0.8)


def sweep(learning_rates=(1e-3, 2e-3, 4e-3), seeds=2):
    rows = [
        {"N": 1e8, "r_a": rate, "C": 1e18, "D": 1e18 / 6e8 / rate, "n_experts": 64, "seed": seed, "lr": lr,
         "loss": 2.5 + 0.05 * math.log(rate / 0.2) ** 2 + 0.1 * math.log(lr / 2e-3) ** 2 + 0.002 * ((seed + at) % 2)}
        for at, rate in enumerate(RATES) for lr in learning_rates for seed in range(seeds)
    ]  # fmt: skip
    return from_records(rows)


def test_the_best_learning_rate_of_each_cell_is_kept_and_said():
    found = fit_study(sweep(), ["cubic"]).fits[0]
    assert found.n == len(RATES) * 2
    assert sum("another learning rate" in one.reason for one in found.dropped) == len(RATES) * 4
    assert any("biased low by the choice of a minimum" in note for note in found.notes)


def test_all_learning_rates_are_series_of_their_own():
    found = fit_study(sweep(), ["cubic"], learning_rates="all")
    assert [fit.series.label for fit in found.fits] == ["lr 0.001", "lr 0.002", "lr 0.004"]
    assert all(fit.n == len(RATES) * 2 for fit in found.fits)
    with pytest.raises(UsageError, match="learning rates 'some' is not one of best, all"):
        choose_learning_rates(sweep(), "some")


def test_a_rule_with_one_learning_rate_for_each_cell_changes_nothing():
    table = sweep((2e-3,))
    assert best_learning_rates(table) is table
    assert choose_learning_rates(table, "all") is table


@given(st.lists(st.floats(1e-5, 1e-1), min_size=1, max_size=4, unique_by=lambda lr: f"{lr:.6g}"))
@settings(max_examples=25, deadline=None)
def test_no_cell_keeps_two_learning_rates(learning_rates):
    [part] = series(sweep(learning_rates, 1)).values()
    assert (part.frame.groupby("r_a")["lr"].nunique() == 1).all()
    assert len(part) == len(RATES)


def test_a_law_takes_the_best_learning_rate_of_each_point_too():
    rows = [
        {"N": N, "D": D, "lr": lr, "loss": 2 + 400 / N**0.34 + 400 / D**0.28 + 0.1 * math.log(lr / 2e-3) ** 2}
        for N in (1e7, 3e7, 1e8, 3e8) for D in (2e8, 6e8, 2e9, 6e9) for lr in (1e-3, 2e-3, 4e-3)
    ]  # fmt: skip
    [fit] = fit_study(from_records(rows), ["chinchilla"], bootstrap=0).fits
    assert fit.n == 16
    assert fit.params["E"].value == pytest.approx(2, abs=1e-4)
    assert any("up to 3 learning rates" in note for note in fit.notes)
