"""The search for the minimum: other optimisers, the objective, and many fits solved together."""

import dataclasses

import numpy as np
import pytest
from scipy.optimize import least_squares, minimize

from fits import LAWS, fit_law
from fits.surface.fitting_problem import Problem
from fits.surface.search import SearchMethod, solve, solve_many


@pytest.fixture(scope="module")
def problem(chinchilla_points):
    columns = {name: chinchilla_points.numbers(name) for name in ("N", "D")}
    return Problem(law=LAWS["chinchilla"], columns=columns, loss=chinchilla_points.numbers("loss"), delta=1e-3)


@pytest.fixture(scope="module")
def solution(problem):
    return solve(problem)


def replicates(n, count, seed=0):
    return np.random.default_rng(seed).multinomial(n, np.ones(n) / n, size=count).astype(float)


def plain_objective(problem, theta, weights=None):
    """The objective of Chinchilla's law in a plain second implementation with extended precision."""
    N, D = (problem.columns[name].astype(np.longdouble) for name in ("N", "D"))
    a, b, e, alpha, beta = np.asarray(theta, np.longdouble)
    size = np.abs(np.log(np.exp(e) + np.exp(a) / N**alpha + np.exp(b) / D**beta) - np.log(problem.loss))
    each = np.where(size <= 1e-3, size * size / 2, 1e-3 * (size - 5e-4))
    return float((each if weights is None else weights * each).sum())


def test_published_points_give_the_known_minimum(problem, solution):
    assert solution.objective == pytest.approx(0.000840093120, rel=1e-6)
    assert solution.converged
    assert solution.gradient < 1e-7
    assert solution.agreeing == solution.starts == 16
    assert solution.others == ()
    assert 10 < solution.condition < 1e4
    assert not solution.at_bound.any()
    assert solution.acting.all()


def test_the_famous_constants_are_not_the_optimum(problem, solution):
    """arXiv 2404.10102 prints the optimum of another objective; finding it here would mean an early stop."""
    famous = np.array([np.log(482.01), np.log(2085.43), np.log(1.8172), 0.3478, 0.3658])
    assert problem.objective(famous) > solution.objective * 1.01


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("Nelder-Mead", {"xatol": 1e-10, "fatol": 1e-16, "maxiter": 4000, "maxfev": 4000, "adaptive": True}),
        ("L-BFGS-B", {"ftol": 1e-15, "gtol": 1e-12, "maxiter": 4000, "maxfun": 40000}),
        ("Powell", {"xtol": 1e-10, "ftol": 1e-14, "maxfev": 8000}),
    ],
)
def test_no_other_optimiser_finds_a_lower_objective(problem, solution, method, options):
    """The other optimisers use a second implementation of the objective and start near the solution."""
    assert plain_objective(problem, solution.theta) == pytest.approx(solution.objective, rel=1e-12)
    rng = np.random.default_rng(4)
    lowest = min(
        minimize(
            lambda theta: plain_objective(problem, theta),
            solution.theta * (1 + 0.02 * rng.standard_normal(5)),
            method=method,
            options=options,
        ).fun
        for _ in range(2)
    )
    assert lowest >= solution.objective * (1 - 1e-9)
    assert lowest <= solution.objective * 1.2  # it did come near: the comparison means something


def test_every_replicate_is_a_minimum_of_its_own(problem, solution):
    """Replicates solved together are as low as each solved alone from every start, and as scipy's."""
    weights = replicates(len(problem.loss), 40)
    ends = solve_many(problem, solution.theta, weights=weights)
    for row, theta, objective in zip(weights, ends.theta, ends.objective, strict=True):
        alone = solve(dataclasses.replace(problem, weights=row))
        assert objective <= alone.objective * (1 + 1e-9)
        assert objective == pytest.approx(plain_objective(problem, theta, row), rel=1e-10)
    sample = np.repeat(np.arange(len(problem.loss)), weights[0].astype(int))
    one = problem.take(sample)
    found = least_squares(
        one.residuals, solution.theta, one.jacobian, loss="huber", f_scale=1e-3, x_scale="jac", ftol=1e-15, xtol=1e-15
    )
    assert ends.objective[0] <= found.cost * (1 + 1e-9)


def test_fits_solved_together_equal_fits_solved_alone(problem, solution):
    weights = replicates(len(problem.loss), 7)
    together = solve_many(problem, solution.theta, weights=weights)
    alone = [solve_many(problem, solution.theta, weights=row[None]) for row in weights]
    np.testing.assert_allclose(together.theta, [one.theta[0] for one in alone], rtol=1e-9)


def test_losses_may_differ_between_fits(problem, solution):
    rng = np.random.default_rng(1)
    losses = problem.loss * np.exp(0.01 * rng.standard_normal((3, len(problem.loss))))
    together = solve_many(problem, solution.theta, losses=losses)
    for loss, objective in zip(losses, together.objective, strict=True):
        assert objective == pytest.approx(solve(dataclasses.replace(problem, loss=loss)).objective, rel=1e-9)


def test_the_objective_is_the_sum_of_huber_losses(problem):
    theta = np.array([6.0, 7.0, 0.5, 0.34, 0.34])
    single = [problem.take(np.array([row])).objective(theta) for row in range(len(problem.loss))]
    assert problem.objective(theta) == pytest.approx(sum(single), rel=1e-12)
    row = problem.take(np.array([0]))
    r = abs(row.residuals(theta)[0])
    assert r > 1e-3
    for delta, expected in ((1e-3, 1e-3 * (r - 5e-4)), (10.0, r * r / 2), (np.inf, r * r / 2), (0.0, r)):
        assert dataclasses.replace(row, delta=delta).objective(theta) == pytest.approx(expected, rel=1e-12)


def test_the_gradient_equals_finite_differences(problem):
    theta = np.array([6.0, 7.0, 0.5, 0.34, 0.35])
    scale = problem.delta * np.abs(problem.jacobian(theta)).sum(axis=0)
    steps = 1e-6 * np.eye(5)
    measured = [(problem.objective(theta + h) - problem.objective(theta - h)) / 2e-6 for h in steps]
    assert np.isfinite(measured).all()
    np.testing.assert_allclose(problem.gradient(theta) * scale, measured, rtol=1e-4)


def test_least_absolute_deviations_agree_with_linear_programming():
    """A power law in logarithms is a line, whose least absolute deviations linear programming solves exactly."""
    from scipy.optimize import linprog

    rng = np.random.default_rng(2)
    x, noise = np.log(np.geomspace(1e7, 1e10, 31)), 0.02 * rng.standard_t(2, 31)
    loss = np.exp(3 - 0.08 * x + noise)
    law = LAWS["kaplan"]
    found = solve(Problem(law=law, columns={"N": np.exp(x)}, loss=loss, delta=0.0))
    design = np.column_stack([np.ones(31), -np.ones(31), x, -x])
    slack = np.hstack([np.eye(31), -np.eye(31)])
    exact = linprog([0] * 4 + [1] * 62, A_eq=np.hstack([design, slack]), b_eq=np.log(loss), bounds=(0, None))
    assert found.objective == pytest.approx(exact.fun, rel=1e-8)
    assert found.converged


def test_least_squares_agree_with_scipy(problem):
    squares = dataclasses.replace(problem, delta=np.inf)
    found = solve(squares)
    other = least_squares(
        squares.residuals, found.theta + 0.01, squares.jacobian, x_scale="jac", xtol=1e-15, ftol=1e-15
    )
    assert found.objective <= other.cost * (1 + 1e-12)
    np.testing.assert_allclose(found.theta, other.x, rtol=1e-5)


def test_fixed_parameters_stay_and_the_rest_is_fitted(problem):
    held = dataclasses.replace(problem, fixed={"alpha": 0.35, "E": 1.8})
    found = solve(held)
    params = dict(zip(held.law.parameters, held.law.natural(found.theta), strict=True))
    assert (params["alpha"], params["E"]) == (0.35, pytest.approx(1.8, rel=1e-14))
    assert found.converged
    assert found.fixed.tolist() == [False, False, True, True, False]
    free = least_squares(
        lambda three: held.residuals(np.array([*three[:2], np.log(1.8), 0.35, three[2]])),
        found.theta[[0, 1, 4]] * 1.01,
        loss="huber",
        f_scale=1e-3,
        x_scale="jac",
        xtol=1e-15,
        ftol=1e-15,
    )
    assert found.objective <= free.cost * (1 + 1e-9)


def test_a_start_that_cannot_move_does_not_count_as_agreeing(problem, solution):
    """A term of e^-400 has no gradient, so this start cannot reach the minimum."""
    far = np.array([-400.0, 7.148, 0.5788, 4.9, 0.342])
    found = solve(problem, SearchMethod(starts=np.array([far, solution.theta])))
    assert found.objective == pytest.approx(solution.objective, rel=1e-9)
    assert (found.starts, found.agreeing) == (2, 1)


def test_an_early_stop_is_not_reported_as_converged(problem):
    stopped = solve(problem, SearchMethod(steps=2))
    assert not stopped.converged
    assert stopped.objective > 0.00085


def test_search_is_reported_in_the_result(chinchilla_points):
    result = fit_law(chinchilla_points, "chinchilla", bootstrap=0)
    assert (result.search.starts, result.search.agreeing) == (16, 16)
    assert result.search.gradient < 1e-7
    assert result.search.condition == pytest.approx(299.4, rel=0.01)
    assert result.search.others == ()
    assert result.search.flat == {}


def test_many_rows_are_solved_in_tiles(problem, solution):
    """Fifty copies of the runs exceed a tile and the first sample of the starts; the objective is fifty-fold."""
    many = problem.take(np.tile(np.arange(len(problem.loss)), 50))
    found = solve(many)
    assert found.objective == pytest.approx(50 * solution.objective, rel=1e-9)
    assert (found.agreeing, found.starts) == (16, 16)
