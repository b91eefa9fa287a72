"""The smoothing spline: against kriging with a dense covariance, REML by brute force, and its two limits."""

import math

import numpy as np
import pytest

from fits import curve, fit_law, from_records
from fits.curve.least_squares import fit_basis
from fits.laws.curve_basis import Powers, spline_through

X = np.log(np.repeat([0.05, 0.09, 0.15, 0.25, 0.4, 0.65], 2))


def losses(noise, random=0, bump=0.0):
    draw = np.random.default_rng(random)
    u = X - math.log(0.2)
    return 2.5 + 0.05 * u**2 + bump * np.sin(4 * u) + noise * draw.standard_normal(len(X))


def wiener(u, v):
    """Covariance of a twice integrated Wiener process: the closed form of the integral of (u-t)^2 (v-t)^2 / 4."""
    a, b = np.minimum(u[:, None], v[None]), np.abs(u[:, None] - v[None])
    return (a**5 / 5 + b * a**4 / 2 + b**2 * a**3 / 3) / 4


def unit(x):
    return (x - X.min()) / (X.max() - X.min())


def kriging(y, ratio, at):
    """Best linear unbiased prediction with a parabola as trend, and its restricted likelihood."""
    F, K = np.vander(X, 3, increasing=True), wiener(unit(X), unit(X))
    V = np.eye(len(X)) + ratio * K
    Vi = np.linalg.inv(V)
    beta = np.linalg.solve(F.T @ Vi @ F, F.T @ Vi @ y)
    rest = y - F @ beta
    mean = np.vander(at, 3, increasing=True) @ beta + ratio * wiener(unit(at), unit(X)) @ Vi @ rest
    n, p = F.shape
    variance = rest @ Vi @ rest / (n - p)
    logs = np.linalg.slogdet(V)[1] + np.linalg.slogdet(F.T @ Vi @ F)[1] + (n - p) * math.log(variance)
    return mean, logs, variance


@pytest.mark.parametrize(("noise", "bump"), [(0.002, 0.01), (0.01, 0.02), (0.02, 0.0)])
def test_the_spline_equals_kriging_with_the_reml_ratio(noise, bump):
    y = losses(noise, bump=bump)
    line = fit_basis(spline_through(X), X, y, np.empty((len(X), 0)))
    at = np.linspace(X.min(), X.max(), 23)
    ratios = np.concatenate([[0.0], np.geomspace(1e-2, 1e10, 4001)])
    best = ratios[np.argmin([kriging(y, ratio, at)[1] for ratio in ratios])]
    expected, _, variance = kriging(y, best, at)
    np.testing.assert_allclose(line.height(at), expected, atol=2e-4 * noise + 1e-9)
    assert line.variance == pytest.approx(variance, rel=1e-2)


@pytest.mark.parametrize("order", [1, 2])
def test_derivatives_equal_finite_differences(order):
    basis, step = spline_through(X), 1e-5
    at = np.linspace(X.min() + 0.1, X.max() - 0.1, 40)
    numeric = (basis.columns(at + step, order - 1) - basis.columns(at - step, order - 1)) / (2 * step)
    np.testing.assert_allclose(basis.columns(at, order), numeric, atol=1e-6)


def test_a_parabola_is_reproduced_and_noise_free_means_are_interpolated():
    blocks = np.empty((len(X), 0))
    y = losses(0.01, random=4)
    spline, parabola = (fit_basis(basis, X, y, blocks) for basis in (spline_through(X), Powers(3)))
    if spline.dof == pytest.approx(parabola.dof):
        np.testing.assert_allclose(spline.height(X), parabola.height(X), atol=1e-6)
    y = losses(0.0, bump=0.05) + 1e-6 * np.tile([1, -1], 6)
    bent = fit_basis(spline_through(X), X, y, blocks)
    np.testing.assert_allclose(bent.height(X), losses(0.0, bump=0.05), atol=1e-5)
    assert bent.dof == pytest.approx(6, abs=0.1)


def test_the_curve_is_drawn_from_the_result_alone():
    table = from_records([{"r_a": math.exp(x), "loss": y} for x, y in zip(X, losses(0.004, bump=0.02), strict=True)])
    result = fit_law(table, "spline")
    line = fit_basis(spline_through(X), X, losses(0.004, bump=0.02), np.empty((len(X), 0)))
    mean, lo, hi = curve(result, np.exp(X))
    np.testing.assert_allclose(mean, line.height(X), rtol=1e-9)
    assert (lo < mean).all()
    wide = curve(result, np.exp(X), simultaneous=True)
    assert (wide[1] < lo).all()
    assert (wide[2] > hi).all()


def test_a_simultaneous_band_holds_the_whole_curve():
    draw, held = np.random.default_rng(1), 0
    truth = 2.5 + 0.05 * (X - math.log(0.2)) ** 2
    at = np.linspace(X.min(), X.max(), 60)
    for _ in range(80):
        y = truth + 0.01 * draw.standard_normal(12)
        rows = [{"r_a": math.exp(place), "loss": loss} for place, loss in zip(X, y, strict=True)]
        _, lo, hi = curve(fit_law(from_records(rows), "cubic"), np.exp(at), simultaneous=True)
        mean = 2.5 + 0.05 * (at - math.log(0.2)) ** 2
        held += bool(((lo <= mean) & (mean <= hi)).all())
    assert 0.87 < held / 80 <= 1
