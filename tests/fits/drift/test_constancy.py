"""Constancy of the optimum: the F statistic by brute force, level and power, and the fitted surface."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from fits import from_records
from fits.drift.constancy import constancy
from fits.drift.joint_fit import JointFit
from fits.drift.minimum_profile import minimum_profile
from fits.runs.select_arms import seed_blocks
from planners.records.errors import UsageError

RATES = (0.08, 0.12, 0.2, 0.35, 0.6)


def cells(best, *, C=(1e12, 2e12, 4e12), N=(1e6, 1e6, 1e6), noise=0.01, seeds=3, random=0, bend=0.1, skew=0.0):
    draw = np.random.default_rng(random)
    found = {}
    for index, place in enumerate(best):
        shifts = 0.02 * draw.standard_normal(seeds)
        rows = []
        for seed in range(seeds):
            for rate in RATES:
                u = math.log(rate / place)
                loss = 2.5 + bend * (1 + 0.3 * index) * u**2 + skew * u**3 + shifts[seed]
                rows.append({"r_a": rate, "C": C[index], "N": N[index], "n_experts": 8, "seed": seed,
                             "loss": loss + noise * draw.standard_normal()})  # fmt: skip
        found[f"cell {index}"] = from_records(rows)
    return found


def residual(table, x0, degree):
    """Least squares of one cell with a stationary point at x0, or anywhere for None; seeds as blocks."""
    x, y = np.log(table.rates()), table.numbers("loss")
    seed = table.frame["seed"].to_numpy()
    powers = [x**k for k in range(1, degree + 1)] if x0 is None else [(x - x0) ** k for k in range(2, degree + 1)]
    design = np.column_stack([*powers, *[(seed == s).astype(float) for s in np.unique(seed)]])
    return float(np.sum((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2))


@pytest.mark.parametrize("degree", [2, 3])
def test_f_agrees_with_nested_least_squares(degree):
    tables = cells((0.18, 0.2, 0.23))
    found = constancy(tables, degree=degree)
    free = sum(residual(table, None, degree) for table in tables.values())
    common = minimize_scalar(
        lambda x0: sum(residual(table, x0, degree) for table in tables.values()), bounds=(-2.2, -1.0), method="bounded",
        options={"xatol": 1e-10},
    )  # fmt: skip
    dof = 45 - 3 * (degree + 3)
    assert (found.shape_dof, found.error_dof) == (2, dof)
    assert pytest.approx((common.fun - free) / 2 / (free / dof), rel=1e-5) == found.F
    assert found.value == pytest.approx(math.exp(common.x), rel=1e-4)
    assert found.lo < found.value < found.hi


def p_of(tables):
    """The p of the test alone, without the slopes and the power."""
    return JointFit(
        cells=tuple(
            minimum_profile(np.log(table.rates()), table.numbers("loss"), seed_blocks(table), 3)
            for table in tables.values()
        )
    ).p


def test_level_and_power_are_nominal():
    still = [p_of(cells((0.2, 0.2, 0.2), skew=-0.02, random=random)) for random in range(100)]
    assert np.mean(np.array(still) < 0.05) < 0.12
    movement = constancy(cells((0.2, 0.2, 0.2), skew=-0.02, random=5)).detectable
    ends = [0.2 * math.exp(step * 1.5 * movement) for step in (-0.5, 0.0, 0.5)]
    moved = [p_of(cells(ends, skew=-0.02, random=1000 + random)) for random in range(40)]
    assert np.mean(np.array(moved) < 0.05) > 0.8
    assert p_of(cells(ends)) == constancy(cells(ends)).p


def test_the_surface_in_C_and_N_is_recovered():
    C, N = (1e12, 1e13, 1e12, 1e13), (1e6, 1e6, 1e7, 1e7)
    best = [0.2 * (c / 3.16e12) ** 0.15 * (n / 3.16e6) ** -0.1 for c, n in zip(C, N, strict=True)]
    found = constancy(cells(best, C=C, N=N, noise=0.001))
    by_C, by_N = found.slopes
    assert (by_C.by, by_N.by) == ("C", "N")
    for slope, truth in ((by_C, 0.15), (by_N, -0.1)):
        assert slope.lo < slope.value < slope.hi
        assert slope.value == pytest.approx(truth, abs=0.02)
        assert slope.lo - 0.01 < truth < slope.hi + 0.01
    assert found.p < 1e-6


def test_a_slope_interval_holds_the_truth():
    held = 0
    for random in range(20):
        found = constancy(cells((0.17, 0.2, 0.235), random=random))
        slope = found.slopes[0]
        held += (slope.lo or -9) <= math.log(0.235 / 0.17) / math.log(4) <= (slope.hi or 9)
    assert held >= 16


def test_scales_that_move_together_give_one_slope_and_a_note():
    found = constancy(cells((0.2, 0.2), C=(1e12, 4e12), N=(1e6, 2e6)))
    assert [slope.by for slope in found.slopes] == ["C"]
    assert any("movement with N" in note for note in found.notes)


def test_one_cell_and_too_few_rates_are_refused():
    with pytest.raises(UsageError, match="two budgets or sizes"):
        constancy(cells((0.2,)))
    tables = cells((0.2, 0.2))
    few = {name: table.only(table.rates() < 0.15) for name, table in tables.items()}
    with pytest.raises(UsageError, match="has 2 values of r_a"):
        constancy(few)
