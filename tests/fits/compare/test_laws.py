"""Comparison of laws: AICc against statsmodels, held-out errors and coverage against a known truth."""

import math

import numpy as np
import pytest
import statsmodels.api as sm

from fits.compare.laws import compare, comparisons
from fits.fit import fit_law
from fits.result import COLUMNS
from fits.runs.table import RunTable, from_records
from planners.records.errors import UsageError

RATES = (0.05, 0.09, 0.15, 0.25, 0.4, 0.65)


def curve_table(seed: int, sd: float, cubic: float = 0.0) -> RunTable:
    random = np.random.default_rng(seed)
    x = np.log(RATES)
    loss = 3 + 0.1 * (x + 1.5) ** 2 + cubic * (x + 1.5) ** 3
    return from_records(
        [{"r_a": rate, "loss": L + random.normal(0, sd)} for rate, L in zip(RATES, loss, strict=True) for _ in range(3)]
    )


def surface_table(seed: int, sd: float) -> RunTable:
    random = np.random.default_rng(seed)
    rows = []
    for C in 10.0 ** np.arange(18, 22, 0.5):
        for N in 10.0 ** np.linspace(7.5, 9.5, 6):
            D = C / 6 / N
            loss = 1.8 + 480 / N**0.35 + 2085 / D**0.37
            rows.append({"N": N, "D": D, "C": C, "loss": loss * math.exp(random.normal(0, sd))})
    return from_records(rows)


def test_aicc_of_a_polynomial_agrees_with_statsmodels():
    table = curve_table(1, 0.01)
    x, loss = np.log(table.rates()), table.numbers("loss")
    for name, degree in (("quadratic", 2), ("cubic", 3)):
        likelihood = sm.OLS(loss, np.vander(x, degree + 1)).fit().llf
        k, n = degree + 2, len(x)
        expected = -2 * likelihood + 2 * k + 2 * k * (k + 1) / (n - k - 1)
        [score] = compare(table, [name]).scores
        assert score.aicc == pytest.approx(expected, rel=1e-9)


def test_the_likelihood_is_for_the_loss_and_not_for_its_logarithm():
    table = surface_table(2, 0.005)
    [score] = compare(table, ["chinchilla"]).scores
    n, k = len(table), 6
    variance = score.residual_sd**2 * (n - 5) / n
    of_log = -n / 2 * (math.log(2 * math.pi * variance) + 1)
    likelihood = of_log - np.log(table.numbers("loss")).sum()
    assert score.aicc == pytest.approx(-2 * likelihood + 2 * k + 2 * k * (k + 1) / (n - k - 1), rel=1e-9)


def test_the_true_law_wins_and_predicts_within_its_intervals():
    found = compare(surface_table(3, 0.005), ["kaplan", "chinchilla"])
    best, other = found.scores
    assert (best.law, other.law) == ("chinchilla", "kaplan")
    assert best.weight > 0.99
    assert best.largest.error < other.largest.error
    assert best.error == pytest.approx(0.005, rel=0.5)


def test_prediction_intervals_have_their_nominal_coverage():
    covered = [compare(surface_table(seed, 0.01), ["chinchilla"]).scores[0].covered for seed in range(12)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.03)  # 12 x 48 values, neighbours share their fits


def test_a_cubic_truth_favours_the_cubic():
    scores = {score.law: score for score in compare(curve_table(4, 0.002, cubic=0.06), ["quadratic", "cubic"]).scores}
    assert scores["cubic"].delta == 0
    assert scores["quadratic"].delta > 10
    assert scores["quadratic"].covered < 1 or scores["quadratic"].error > 3 * scores["cubic"].error


def test_too_few_runs_leave_gaps_with_a_note():
    rows = [{"r_a": rate, "loss": 3.0 + rate} for rate in (0.1, 0.2, 0.4, 0.6)]
    found = compare(from_records(rows), ["quadratic", "cubic"])
    assert {score.aicc for score in found.scores} == {None}
    assert any("too many parameters" in note for note in found.notes)


def test_curves_and_surfaces_are_not_compared():
    with pytest.raises(UsageError, match="one kind"):
        compare(surface_table(5, 0.01), ["quadratic", "chinchilla"])
    assert comparisons(surface_table(5, 0.01), ["chinchilla"]) == ()


def test_fits_as_a_pandas_table():
    table = fit_law(curve_table(6, 0.01), "quadratic").to_frame()
    assert tuple(table.columns) == COLUMNS
    assert table["name"].to_list() == ["a", "b", "c", "r_a*"]
    assert table["value"].dtype == float
    assert (table["lo"] < table["value"]).all()


def test_held_out_runs_do_not_enter_the_fit():
    random = np.random.default_rng(3)
    rates = np.repeat([0.1, 0.15, 0.2, 0.3, 0.45, 0.7], 2)
    loss = 3 + 0.1 * np.log(rates / 0.2) ** 2 + 0.02 * random.standard_normal(len(rates))
    rows = [{"r_a": r, "n_experts": 8, "loss": value} for r, value in zip(rates, loss, strict=True)]
    [score] = compare(from_records(rows), ["quadratic"]).scores
    for group, rate in zip(score.groups, np.unique(rates), strict=True):
        out = rates == rate
        line = np.polyfit(np.log(rates[~out]), loss[~out], 2)
        expected = np.log(np.polyval(line, np.log(rate))) - np.log(loss[out]).mean()
        assert group.bias == pytest.approx(expected, rel=1e-6)
    assert score.largest == score.groups[-1]


def test_laws_of_experts_and_of_size_are_compared_on_a_study_with_dense_arms():
    """A dense arm has 0 experts in a study's table and counts as one expert in every law."""
    rows = []
    for C in (1e18, 2e18, 4e18, 8e18):
        for active in (3e7, 1e8, 3e8):
            for experts in (0, 8, 64):
                D, N = C / 6 / active, active * max(experts, 1) ** 0.5
                loss = 1.8 + 480 / N**0.35 + 2085 / D**0.37
                rows.append({"N": N, "N_a": active, "D": D, "C": C, "n_experts": experts, "loss": loss})
    [found] = comparisons(from_records(rows), ["clark", "chinchilla"])
    assert [score.law for score in found.scores] == ["chinchilla", "clark"]
    assert all(score.aicc is not None for score in found.scores)
