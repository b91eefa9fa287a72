"""The bootstrap: what is drawn, that draws follow the seed, and that other minima are tried."""

import dataclasses

import numpy as np
import pytest

from fits import LAWS
from fits.surface.bootstrap import points, resample
from fits.surface.fitting_problem import Problem
from fits.surface.search import LocalMinimum, solve

TRUTH = {"A": 482.01, "B": 2085.43, "E": 1.8172, "alpha": 0.3478, "beta": 0.3658}


def problem_of(seeds=1, noise=0.004, delta=1e-3):
    N, D = (each.ravel() for each in np.meshgrid(np.geomspace(5e7, 1e10, 6), np.geomspace(1e9, 3e11, 6)))
    columns = {"N": np.tile(N, seeds), "D": np.tile(D, seeds)}
    rng = np.random.default_rng(0)
    loss = LAWS["chinchilla"].loss(TRUTH, columns) * np.exp(noise * rng.standard_normal(36 * seeds))
    return Problem(law=LAWS["chinchilla"], columns=columns, loss=loss, delta=delta)


def test_points_are_the_distinct_rows():
    problem = problem_of(seeds=3)
    point = points(problem)
    assert sorted(np.bincount(point)) == [3] * 36
    columns = np.column_stack([problem.columns["N"], problem.columns["D"]])
    distinct, inverse = np.unique(columns, axis=0, return_inverse=True)
    np.testing.assert_array_equal(point, inverse.reshape(-1))
    assert len(distinct) == 36


def test_seeds_of_a_point_are_drawn_together():
    """Three equal seeds at each point give the draws of one seed."""
    one = problem_of()
    three = one.take(np.tile(np.arange(36), 3))
    alone, together = (resample(each, solve(each), 20, seed=5).values for each in (one, three))
    np.testing.assert_allclose(together, alone, rtol=1e-6)


def test_draws_follow_the_seed_and_not_the_number_of_draws():
    problem = problem_of()
    best = solve(problem)
    some, more, other = (resample(problem, best, count, seed) for count, seed in ((8, 1), (20, 1), (8, 2)))
    np.testing.assert_allclose(more.values[:8], some.values, rtol=1e-9)
    np.testing.assert_allclose(resample(problem, best, 8, 1).values, some.values, rtol=1e-9)
    assert not np.allclose(other.values, some.values)


def test_a_smaller_memory_changes_nothing(monkeypatch):
    problem = problem_of()
    best = solve(problem)
    whole = resample(problem, best, 30, 0).values
    monkeypatch.setattr("fits.surface.bootstrap.MEMORY", 36 * 7)
    np.testing.assert_allclose(resample(problem, best, 30, 0).values, whole, rtol=1e-6)  # sums in another order


def test_replicates_also_start_from_other_minima():
    """If the best point is a start that cannot move, the other minimum still leads to the fit of a replicate."""
    problem = problem_of()
    best = solve(problem)
    stuck = np.array([-400.0, 7.148, 0.5788, 4.9, 0.342])
    other = LocalMinimum(theta=best.theta, objective=best.objective, starts=1)
    wrong = dataclasses.replace(best, theta=stuck, others=(other,))
    np.testing.assert_allclose(resample(problem, wrong, 5, 0).values, resample(problem, best, 5, 0).values, rtol=1e-7)


def test_least_squares_draws_have_the_spread_of_linear_theory():
    problem = problem_of(seeds=2, delta=np.inf)
    best = solve(problem)
    slopes = problem.jacobian(best.theta)
    variance = 2 * best.objective / (len(problem.loss) - 5) * np.linalg.inv(slopes.T @ slopes)
    draws = resample(problem, best, 600, 0).values
    assert np.std(draws[:, 3]) == pytest.approx(np.sqrt(variance[3, 3]), rel=0.35)
    assert np.median(draws[:, 3]) == pytest.approx(best.theta[3], abs=np.sqrt(variance[3, 3]) / 2)
