"""Intervals: Student t, Fieller's set for the turning point of a parabola, and percentiles of bootstrap draws.

At a dozen runs Fieller's construction holds its level where the delta method and case resampling do not, because it
inverts an exact test: E. C. Fieller, J. R. Stat. Soc. B 16 (1954) 175.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95

Piece = tuple[float, float]


def t_quantile(dof: float, level: float = LEVEL) -> float:
    """Return the two-sided quantile of Student's t with `dof` degrees of freedom, dof > 0."""
    from scipy.special import stdtrit

    return float(stdtrit(dof, (1 + level) / 2))


def fieller(slope: float, curvature: float, covariance: Sequence[Sequence[float]], t: float) -> tuple[Piece, ...]:
    """Return where b + 2 c x = 0 is not rejected, for the parabola a + b x + c x^2 with c != 0.

    `covariance` is that of (b, c), shape (2, 2). The set is {x : (b + 2cx)^2 <= t^2 Var(b + 2cx)}, given as one or
    two closed pieces with infinite ends: an interval where c is told from zero, else the whole line, a half line, or
    the two half lines outside of an interval. It always contains the turning point -b / 2c.
    """
    turning = -slope / (2 * curvature)
    (_, v_bc), (_, v_cc) = covariance
    # In u = x - turning the slope is 2cu, and its variance v0 + 4 v1 u + 4 v_cc u^2: nothing cancels where c is clear.
    v0 = covariance[0][0] + 4 * turning * v_bc + 4 * turning**2 * v_cc
    v1 = v_bc + 2 * turning * v_cc
    pieces = _at_most_zero(curvature**2 - t**2 * v_cc, -(t**2) * v1, -(t**2) * max(v0, 0.0) / 4)
    return tuple((turning + lo, turning + hi) for lo, hi in pieces)


def _at_most_zero(p: float, q: float, r: float) -> tuple[Piece, ...]:
    """Return the pieces of {u : p u^2 + q u + r <= 0} for r <= 0, so that u = 0 is in it."""
    if p == 0:
        if q == 0:
            return ((-math.inf, math.inf),)
        return ((-math.inf, -r / q),) if q > 0 else ((-r / q, math.inf),)
    discriminant = q * q - 4 * p * r
    if p < 0 and discriminant <= 0:
        return ((-math.inf, math.inf),)
    root = math.sqrt(discriminant)
    low, high = sorted(((-q - root) / (2 * p), (-q + root) / (2 * p)))
    return ((low, high),) if p > 0 else ((-math.inf, low), (high, math.inf))


def percentile(draws: NDArray[np.float64], level: float = LEVEL) -> Piece:
    """Return the central interval that holds the share `level` of the finite `draws`, shape (B,); NaN if none are."""
    finite = draws[np.isfinite(draws)]
    if not finite.size:
        return math.nan, math.nan
    lo, hi = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(lo), float(hi)
