"""The profile over shapes with one minimum: residuals by brute force, invariances, and the region of indifference."""

import math

import numpy as np
import pytest

from fits.curve.least_squares import CurveData
from fits.curve.shapes import shape_fits

X = np.log([0.06, 0.11, 0.2, 0.36, 0.7])


def shape(alpha, beta, v):
    return np.expm1(-alpha * v) / alpha + np.expm1(beta * v) / beta


def data(seeds=3, noise=0.006, random=0, alpha=2.0, beta=0.5, shift=0.0):
    draw = np.random.default_rng(random)
    x, seed = np.repeat(X, seeds), np.tile(np.arange(seeds), len(X))
    member = np.eye(seeds)[seed]
    blocks = member[:, :-1] - member[:, -1:] if shift else np.empty((len(x), 0))
    y = 2.5 + 0.05 * shape(alpha, beta, x - math.log(0.2)) + noise * draw.standard_normal(len(x))
    return CurveData(x=x, loss=y + shift * draw.standard_normal(seeds)[seed], blocks=blocks)


@pytest.mark.parametrize("shift", [0.0, 0.02])
@pytest.mark.parametrize("missing", [[], [4, 9]])
def test_residuals_and_levels_are_those_of_least_squares(shift, missing):
    whole = data(shift=shift)
    keep = ~np.isin(np.arange(len(whole.x)), missing)
    runs = CurveData(x=whole.x[keep], loss=whole.loss[keep], blocks=whole.blocks[keep])
    fits = shape_fits(runs)
    for at in (100, 50_000, 80_000, -300):
        column = fits.shapes.pick(np.array([at])).at(np.unique(runs.x))[0][np.unique(runs.x, return_inverse=True)[1]]
        design = np.column_stack([np.ones(len(runs.x)), runs.blocks, column])
        solution = np.linalg.lstsq(design, runs.loss, rcond=None)[0]
        if solution[-1] > 0:
            assert fits.height[at] == pytest.approx(solution[-1], rel=1e-6)
            assert fits.level[at] == pytest.approx(solution[0], rel=1e-8)
            residual = np.sum((runs.loss - design @ solution) ** 2)
            assert fits.residuals[at] == pytest.approx(residual, rel=1e-5)


def test_shift_and_scale_of_rates_and_losses_change_nothing():
    runs = data()
    one = shape_fits(runs)
    other = shape_fits(CurveData(x=runs.x + 1, loss=3 * runs.loss - 1, blocks=runs.blocks))
    assert np.array(other.interval) - 1 == pytest.approx(np.array(one.interval), abs=1e-6)
    assert np.array(other.ends(0.03)) - 1 == pytest.approx(np.array(one.ends(0.01)), abs=1e-6)


def test_precise_runs_of_a_shape_in_the_family_find_its_minimum_and_region():
    fits = shape_fits(data(noise=1e-5))
    lo, hi = fits.interval
    assert lo < math.log(0.2) + 0.02
    assert hi > math.log(0.2) - 0.02
    assert hi - lo < 0.1
    scan = np.linspace(X[0], X[-1], 4001)
    within = scan[0.05 * shape(2.0, 0.5, scan - math.log(0.2)) <= 0.01]
    for end, place in zip(fits.ends(0.01), (within[0], within[-1]), strict=True):
        assert end[0] - 0.03 < place < end[1] + 0.03


def test_too_few_rates_or_runs_give_no_profile():
    runs = data(seeds=1)
    assert shape_fits(runs) is not None
    assert shape_fits(CurveData(x=runs.x[:4], loss=runs.loss[:4], blocks=runs.blocks[:4])) is None
    few = data().x < X[3]
    assert shape_fits(CurveData(x=data().x[few], loss=data().loss[few], blocks=data().blocks[few])) is None
