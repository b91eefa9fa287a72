"""Constancy of the optimum: the F statistic from the profiles, level and power, and the fitted surface."""

import math

import numpy as np
import pytest

from fits import from_records
from fits.curve.least_squares import CurveData
from fits.curve.shapes import shape_fits
from fits.drift.constancy import constancy
from fits.drift.joint_fit import JointFit
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


def profiles(tables):
    """The fits of all shapes in each cell."""
    found = []
    for table in tables.values():
        data = CurveData(x=np.log(table.rates()), loss=table.numbers("loss"), blocks=seed_blocks(table))
        found.append(shape_fits(data))
    return tuple(found)


def p_of(tables):
    """The p of the test alone, without the slopes and the power."""
    fits = profiles(tables)
    return JointFit(cells=fits).p


def test_f_is_the_least_sum_of_the_cells():
    tables = cells((0.18, 0.2, 0.23))
    found, fits = constancy(tables), profiles(tables)
    scan = np.linspace(math.log(0.08), math.log(0.6), 20001)
    excess = sum(fit.excess(scan) for fit in fits)
    assert (found.shape_dof, found.error_dof) == (2, 3 * (15 - 6))
    assert pytest.approx(excess.min() / 2, rel=1e-4) == found.F
    assert found.value == pytest.approx(math.exp(scan[excess.argmin()]), rel=1e-3)
    assert found.lo < found.value < found.hi


def test_a_constant_optimum_is_seldom_rejected_and_a_large_movement_is_found():
    still = [p_of(cells((0.2, 0.2, 0.2), skew=-0.02, random=random)) for random in range(40)]
    assert np.mean(np.array(still) < 0.05) < 0.15
    moved = [p_of(cells((0.14, 0.2, 0.29), skew=-0.02, random=1000 + random)) for random in range(20)]
    assert np.mean(np.array(moved) < 0.05) > 0.8


def test_a_changing_shape_is_not_a_movement():
    tables = {}
    for index, (alpha, beta) in enumerate(((1.0, 1.0), (3.0, 0.4), (6.0, 1.0))):
        draw = np.random.default_rng(index)
        rows = []
        for seed in range(4):
            for rate in (0.08, 0.11, 0.15, 0.2, 0.28, 0.4, 0.6):
                u = math.log(rate / 0.2)
                loss = 2.5 + 0.05 * (math.expm1(-alpha * u) / alpha + math.expm1(beta * u) / beta)
                loss += 0.004 * draw.standard_normal()
                rows.append({"r_a": rate, "C": 1e18 * 10**index, "n_experts": 8, "seed": seed, "loss": loss})
        tables[f"cell {index}"] = from_records(rows)
    found = constancy(tables)
    assert found.p > 0.05
    assert found.lo < 0.2 < found.hi


def test_a_cell_with_two_minima_withholds_the_test():
    tables = cells((0.2, 0.2), noise=0.002)
    frame = tables["cell 1"].frame
    waves = {rate: 0.05 * (-1) ** index for index, rate in enumerate(RATES)}
    tables["cell 1"] = from_records(frame.assign(loss=frame["loss"] + frame["r_a"].map(waves)))
    found = constancy(tables)
    assert (found.p, found.value, found.slopes) == (None, None, ())
    assert "fits the means of cell 1" in found.withheld


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
