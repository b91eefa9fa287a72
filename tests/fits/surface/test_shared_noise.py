"""Residuals that share noise within a budget are found, and the block bootstrap widens the intervals for them."""

import math

import numpy as np
import pytest
import statsmodels.api as sm

from fits import fit_study, from_records
from fits.fit import fit_law
from fits.laws import LAWS
from fits.surface.fit_surface import _problem
from fits.surface.search import solve
from fits.surface.shared_noise import shared_noise
from planners.records.errors import UsageError

TRUTH = {"A": 480.0, "B": 2100.0, "E": 1.8, "alpha": 0.35, "beta": 0.366}
BUDGETS = np.geomspace(6e18, 3e21, 9)


def isoflops(random, sd=0.002, shift=0.0, seeds=1, without=()):
    """Return eight sizes at each of nine budgets, with noise in ln L and a shift that each budget shares."""
    rows = []
    for at, C in enumerate(BUDGETS):
        common = random.normal(0, shift)
        for ratio in np.geomspace(5, 200, 8):
            N = math.sqrt(C / 6 / ratio) * 1.01**at
            D = C / 6 / N
            mean = TRUTH["E"] + TRUTH["A"] / N ** TRUTH["alpha"] + TRUTH["B"] / D ** TRUTH["beta"]
            for seed in range(seeds):
                loss = mean * math.exp(common + random.normal(0, sd))
                rows.append({"N": N, "D": D, "C": C, "seed": seed, "source": f"lab {at % 2}", "loss": loss})
    return from_records([{name: value for name, value in row.items() if name not in without} for row in rows])


@pytest.mark.parametrize("without", [(), ("C",)])
def test_noise_that_a_budget_shares_is_found_and_named(without):
    found = fit_study(isoflops(np.random.default_rng(0), 0.001, 0.004, without=without), ["chinchilla"], bootstrap=0)
    [check] = [check for check in found.checks["chinchilla"] if check.name == "independent residuals"]
    assert check.verdict == "warn"
    assert "by C ICC 0." in check.evidence
    assert "try --block C" in check.evidence


def test_the_test_keeps_its_level_and_agrees_with_statsmodels():
    small = 0
    for draw in range(100):
        problem, _ = _problem(isoflops(np.random.default_rng(draw)), LAWS["chinchilla"], math.inf, {}, None)
        theta = solve(problem).theta
        found = next(one for one in shared_noise(problem, theta) if one.by == "C")
        small += found.p < 0.05
    assert small / 100 < 0.05 + 2.6 * math.sqrt(0.05 * 0.95 / 100)
    gradient = problem.jacobian(theta)
    member = (problem.groups["C"][:, None] == np.arange(9)).astype(float)
    alone, together = (sm.OLS(problem.residuals(theta), X).fit() for X in (gradient, np.hstack([gradient, member])))
    more = found.dof[0]
    expected = (alone.ssr - together.ssr) / more / (together.ssr / found.dof[1])
    assert pytest.approx(expected, rel=1e-6) == found.F


def test_the_block_bootstrap_draws_groups_and_is_wider_where_they_share_noise():
    table = isoflops(np.random.default_rng(3), 0.001, 0.004)
    points, blocks = (fit_law(table, "chinchilla", bootstrap=100, block=block) for block in (None, "C"))
    assert "9 groups of C" in blocks.interval
    assert "8 degrees of freedom" in blocks.interval
    widths = [fit.params["E"].hi - fit.params["E"].lo for fit in (points, blocks)]
    assert widths[1] > widths[0]
    with pytest.raises(UsageError, match="--block lab: table has no such column; choose one of N, D, C"):
        fit_law(table, "chinchilla", block="lab")


def test_a_law_that_misses_the_means_is_found_where_seeds_tell():
    good = fit_law(isoflops(np.random.default_rng(1), seeds=3), "chinchilla", bootstrap=0)
    assert good.lack_of_fit.p > 0.01
    assert (good.lack_of_fit.shape_dof, good.lack_of_fit.error_dof) == (72 - 5, 144)
    bad = fit_law(isoflops(np.random.default_rng(1), 0.0005, 0.01, seeds=3), "chinchilla", bootstrap=0)
    assert bad.lack_of_fit.p < 1e-6
    assert fit_law(isoflops(np.random.default_rng(1)), "chinchilla", bootstrap=0).lack_of_fit is None


def test_the_ends_of_intervals_carry_their_monte_carlo_error():
    table = isoflops(np.random.default_rng(2))
    fits = [fit_law(table, "chinchilla", bootstrap=100, seed=seed) for seed in range(12)]
    spread = np.std([fit.params["B"].hi for fit in fits], ddof=1)
    assert np.median([fit.params["B"].hi_error for fit in fits]) == pytest.approx(spread, rel=0.7)
    assert "by the number of draws" in str(fits[0])


def test_an_interval_that_reaches_a_bound_is_not_converged():
    random = np.random.default_rng(1)
    rows = [
        {"N": N, "D": D, "loss": (0.3 + 20 / N**0.1 + 20 / D**0.1) * math.exp(random.normal(0, 0.02))}
        for N in np.geomspace(1e7, 1e8, 5) for D in np.geomspace(1e8, 1e9, 5)
    ]  # fmt: skip
    fit = fit_law(from_records(rows), "chinchilla", bootstrap=100)
    assert fit.params["E"].lo < 1e-6
    assert (fit.status, fit.why, fit.params["E"].status) == (
        "not_identified",
        "interval_reaches_bound",
        "not_identified",
    )
    assert "the interval of E reaches zero" in fit.reason


@pytest.mark.soak
def test_block_intervals_cover_the_truth_where_budgets_share_noise():
    """Nine budgets, intraclass correlation 0.5: blocks cover about 95 %, points far less."""
    held = {"points": 0, "C": 0}
    for draw in range(200):
        table = isoflops(np.random.default_rng(1000 + draw), 0.0021, 0.0021)
        for block in (None, "C"):
            param = fit_law(table, "chinchilla", bootstrap=200, block=block).params["E"]
            held[block or "points"] += param.lo <= TRUTH["E"] <= param.hi
    print(held)
    assert held["C"] / 200 > 0.91
    assert held["points"] / 200 < 0.9
