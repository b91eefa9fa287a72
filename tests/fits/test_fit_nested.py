"""The comparison of nested laws: the F test where that is exact, its level elsewhere, and its power."""

import numpy as np
import pytest
import statsmodels.api as sm

from fits import LAWS
from fits.laws import activation
from fits.nested import nested_ratio
from fits.problem import Problem
from planners.errors import UsageError

TRUTH = {
    "A": 400.0,
    "B": 900.0,
    "E": 1.7,
    "alpha": 0.33,
    "beta": 0.32,
    "kappa": 0.08,
    "r_star": 0.2,
    "drift_N": 0.0,
    "drift_C": 0.0,
}


def study(noise, random, **truth):
    """Three sizes, three budgets at each, five rates in every cell."""
    cells = [(N, C, r) for N in (1e8, 3e8, 1e9) for C in (1e18, 1e19, 1e20) for r in (0.05, 0.1, 0.2, 0.4, 0.8)]
    N, C, r_a = np.array(cells).T
    columns = {"N": N, "C": C, "r_a": r_a}
    loss = LAWS["activation"].loss(TRUTH | truth, columns)
    loss = loss * np.exp(noise * np.random.default_rng(random).standard_normal(len(loss)))
    return Problem(law=LAWS["activation"], columns=columns, loss=loss, delta=np.inf)


def test_a_line_is_compared_by_the_f_test():
    """For a law that is linear in logarithms, F is that of linear regression, and the simulation agrees with it."""
    rng = np.random.default_rng(5)
    x = np.log(np.geomspace(1e18, 1e21, 14))
    size = np.exp(0.5 * x - 3 + 0.05 * rng.standard_normal(14))
    problem = Problem(law=LAWS["allocation"], columns={"C": np.exp(x)}, loss=size, delta=1e-3)
    found = nested_ratio(problem, {"a": 0.49}, draws=4999)
    line = sm.OLS(np.log(size), sm.add_constant(x)).fit()
    exact = line.f_test("x1 = 0.49")
    assert pytest.approx(float(exact.fvalue), rel=1e-6) == found.F
    assert found.p_F == pytest.approx(float(exact.pvalue), rel=1e-6)
    assert found.p == pytest.approx(float(exact.pvalue), abs=3 * np.sqrt(0.25 / 4999))
    assert (found.dof, found.error_dof) == (1, 12)


def test_a_drift_is_found_and_its_absence_is_not():
    moving = nested_ratio(study(0.003, 1, drift_C=0.2), activation.CONSTANT, draws=199)
    assert moving.p == pytest.approx(1 / 200)
    assert moving.full.theta[-1] == pytest.approx(0.2, abs=0.08)
    still = nested_ratio(study(0.003, 2), activation.CONSTANT, draws=199)
    assert still.p > 0.05
    assert still.dof == 2


@pytest.mark.soak
def test_the_test_of_constancy_holds_its_level():
    """Of 400 studies whose optimum is constant, 5 % are rejected at 5 %, give or take three standard errors."""
    rejected = np.mean(
        [nested_ratio(study(0.004, i), activation.CONSTANT, draws=199, seed=i).p <= 0.05 for i in range(400)]
    )
    assert abs(rejected - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 400)


def test_the_same_seed_gives_the_same_p():
    problem = study(0.004, 3)
    one, same = (nested_ratio(problem, activation.CONSTANT, draws=49, seed=7) for _ in range(2))
    assert (one.F, one.p) == (same.F, same.p)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(UsageError, match="without noise"):
        nested_ratio(study(0.0, 3), activation.CONSTANT)
    with pytest.raises(UsageError, match="0 of them in question"):
        nested_ratio(study(0.004, 3), {})
