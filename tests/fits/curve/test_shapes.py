"""The average over random curves with one minimum: weights by brute force, invariances, and the region."""

import math

import numpy as np
import pytest

from fits.curve.least_squares import CurveData
from fits.curve.shapes import LOWEST_SIZE, PLACES, central, shape_fits

X = np.log([0.06, 0.11, 0.2, 0.36, 0.7])


def powers(alpha, beta, v):
    return np.expm1(-alpha * v) / alpha + np.expm1(beta * v) / beta


def data(seeds=3, noise=0.006, random=0, alpha=2.0, beta=0.5, shift=0.0, x=X, height=0.05):
    draw = np.random.default_rng(random)
    x, seed = np.repeat(x, seeds), np.tile(np.arange(seeds), len(x))
    member = np.eye(seeds)[seed]
    blocks = member[:, :-1] - member[:, -1:] if shift else np.empty((len(x), 0))
    y = 2.5 + height * powers(alpha, beta, x - math.log(0.2)) + noise * draw.standard_normal(len(x))
    return CurveData(x=x, loss=y + shift * draw.standard_normal(seeds)[seed], blocks=blocks)


@pytest.mark.parametrize("shift", [0.0, 0.02])
@pytest.mark.parametrize("missing", [[], [4, 9]])
def test_weights_are_those_of_least_squares(shift, missing):
    whole = data(shift=shift)
    keep = ~np.isin(np.arange(len(whole.x)), missing)
    runs = CurveData(x=whole.x[keep], loss=whole.loss[keep], blocks=whole.blocks[keep])
    fits, logs = shape_fits(runs), []
    member = np.unique(runs.x, return_inverse=True)[1]
    rows = np.argsort(fits.weight)[[-1, -100, -2000]]
    for row in rows:
        column = fits.curves.heights[row].astype(float)[member]
        design = np.column_stack([np.ones(len(runs.x)), runs.blocks, column])
        solution = np.linalg.lstsq(design, runs.loss, rcond=None)[0]
        rest = column - design[:, :-1] @ np.linalg.lstsq(design[:, :-1], column, rcond=None)[0]
        assert solution[-1] > 0
        assert rest @ rest > LOWEST_SIZE * len(runs.x)
        residual = np.sum((runs.loss - design @ solution) ** 2) + fits.means.least_noise
        logs.append(-fits.means.free / 2 * math.log(residual) - math.log(rest @ rest) / 2)
    found = np.log(fits.weight[rows].astype(float))
    assert found - found[0] == pytest.approx(np.array(logs) - logs[0], abs=2e-3)


def test_each_stored_curve_has_its_only_minimum_at_its_place():
    curves = shape_fits(data()).curves
    assert (np.diff(curves.w, axis=1) >= 0).all()
    assert (curves.w[:, curves.w.shape[1] // 2] == 0).all()
    scan = np.linspace(X[0], X[-1], 200)
    for row in (0, 1, 250, 1999):  # every second curve is a sum of powers
        at = np.interp(scan - curves.places[60], (np.arange(241) - 120) * curves.step, curves.w[row]) ** 2
        assert scan[np.argmin(at)] == pytest.approx(curves.places[60], abs=0.02)


def test_shift_and_scale_of_rates_and_losses_change_nothing():
    runs = data()
    one = shape_fits(runs)
    other = shape_fits(CurveData(x=runs.x + 1, loss=3 * runs.loss - 1, blocks=runs.blocks))
    assert np.array(other.interval) - 1 == pytest.approx(np.array(one.interval), abs=1e-3)
    assert np.array(other.ends(0.03)) - 1 == pytest.approx(np.array(one.ends(0.01)), abs=0.02)
    assert np.array(other.levels) == pytest.approx(3 * np.array(one.levels) - 1, abs=1e-3)


@pytest.mark.parametrize(("alpha", "beta"), [(2.0, 0.5), (1.0, 1.0), (6.0, 1.0)])
def test_precise_runs_find_the_minimum_and_the_region(alpha, beta):
    fits = shape_fits(data(noise=1e-4, alpha=alpha, beta=beta, x=np.log(np.geomspace(0.1, 0.6, 8))))
    lo, hi = fits.interval
    assert lo < math.log(0.2) < hi
    assert hi - lo < 0.25
    scan = np.linspace(math.log(0.1), math.log(0.6), 4001)
    within = scan[0.05 * powers(alpha, beta, scan - math.log(0.2)) <= 0.01]
    for end, place in zip(fits.ends(0.01), (within[0], within[-1]), strict=True):
        assert end[0] - 0.03 < place < end[1] + 0.03


def test_an_excess_of_a_student_density_is_the_square_of_its_t():
    fits = shape_fits(data(noise=0.001, alpha=0.01, beta=0.01, seeds=6))
    dof = fits.means.free - 1
    middle, sd = float(fits.density @ fits.places), 0.3
    object.__setattr__(fits, "density", (1 + ((fits.places - middle) / sd) ** 2 / dof) ** (-(dof + 1) / 2))
    best = fits.places[np.argmax(fits.density)]
    t = (fits.places - middle) / sd
    at_best = (best - middle) / sd
    assert fits.excess(fits.places) == pytest.approx((t**2 - at_best**2) / (1 + at_best**2 / dof), abs=1e-9)


def test_the_central_interval_of_a_normal_density():
    places = np.linspace(-5, 5, PLACES)
    assert central(places, np.exp(-(places**2) / 2)) == pytest.approx((-2.17, 2.17), abs=0.01)  # 97 %


def test_too_few_rates_or_runs_give_no_interval():
    runs = data(seeds=1)
    assert shape_fits(runs) is not None
    assert shape_fits(CurveData(x=runs.x[:4], loss=runs.loss[:4], blocks=runs.blocks[:4])) is None
    few = data().x < X[3]
    assert shape_fits(CurveData(x=data().x[few], loss=data().loss[few], blocks=data().blocks[few])) is None
