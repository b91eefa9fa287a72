"""Fieller's set against a scan of the profile F test, in each of its shapes, and the quantiles."""

import math

import numpy as np
import pytest
from scipy import stats

from fits.intervals import fieller, percentile, t_quantile

X = np.log([0.05, 0.1, 0.2, 0.35, 0.6, 0.08])


def parabola(y):
    """Return b, c, their covariance and dof, by the normal equations."""
    design = np.vander(X, 3, increasing=True)
    inverse = np.linalg.inv(design.T @ design)
    solution = inverse @ design.T @ y
    dof = len(X) - 3
    variance = np.sum((y - design @ solution) ** 2) / dof
    return solution[1], solution[2], (variance * inverse[1:, 1:]).tolist(), dof


def accepted(y, turning):
    """Whether a turning point there survives: F test of the parabola forced to turn there against the free one."""

    def residual(design):
        return np.sum((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2)

    free = residual(np.vander(X, 3, increasing=True))
    forced = residual(np.column_stack([np.ones_like(X), (X - turning) ** 2]))
    dof = len(X) - 3
    return (forced - free) / (free / dof) <= stats.f.ppf(0.95, 1, dof)


def inside(pieces, x):
    return any(lo <= x <= hi for lo, hi in pieces)


NOISE = np.array([0.3, -0.7, 0.5, -0.2, 0.4, -0.1])
CASES = {
    "interval": 1.0 * (X + 1.5) ** 2 + 0.1 * NOISE,
    "two half lines": 2.0 * X + 0.05 * X**2 + 0.3 * NOISE,
    "whole line": 0.01 * X**2 + 3 * NOISE * np.array([1, -1, -1, 1, 1, -1]),
}


@pytest.mark.parametrize("shape", CASES)
def test_agrees_with_a_scan_of_the_profile(shape):
    b, c, covariance, dof = parabola(CASES[shape])
    pieces = fieller(b, c, covariance, t_quantile(dof))
    ends = [end for piece in pieces for end in piece]
    found = {1: "interval" if math.isfinite(ends[0]) else "whole line", 2: "two half lines"}[len(pieces)]
    assert found == shape
    scan = np.concatenate([np.linspace(-12, 8, 401), [-1e3, 1e3]])
    clear = [x for x in scan if all(abs(x - end) > 1e-6 for end in ends)]
    assert len(clear) > 390
    assert [inside(pieces, x) for x in clear] == [accepted(CASES[shape], x) for x in clear]


@pytest.mark.parametrize("shape", CASES)
def test_the_turning_point_is_always_inside(shape):
    b, c, covariance, dof = parabola(CASES[shape])
    assert inside(fieller(b, c, covariance, t_quantile(dof)), -b / (2 * c))


def test_the_half_line_between_interval_and_complement():
    assert fieller(0.0, 1.0, [[1.0, 0.5], [0.5, 1.0]], 1.0) == ((-0.5, math.inf),)
    assert fieller(0.0, 1.0, [[1.0, -0.5], [-0.5, 1.0]], 1.0) == ((-math.inf, 0.5),)
    assert fieller(0.0, 1.0, [[1.0, 0.0], [0.0, 1.0]], 1.0) == ((-math.inf, math.inf),)


def test_no_noise_is_a_point():
    ((lo, hi),) = fieller(4.0, 1.0, [[0.0, 0.0], [0.0, 0.0]], 2.0)
    assert lo == hi == -2.0


@pytest.mark.parametrize(("dof", "expected"), [(1, 12.7062047), (7, 2.3646243), (10**6, 1.9599664)])
def test_t_quantiles_are_those_of_the_tables(dof, expected):
    assert t_quantile(dof) == pytest.approx(expected, rel=1e-5)


def test_percentiles_leave_out_what_is_not_finite():
    draws = np.concatenate([np.arange(1001.0), [np.nan, np.nan]])
    assert percentile(draws) == pytest.approx((25.0, 975.0))
    assert all(map(math.isnan, percentile(np.array([np.nan]))))
