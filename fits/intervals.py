"""Intervals: Student t, ratios, simultaneous bands, percentiles of draws, and where a test begins to hold."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fits.runs.table import Floats

LEVEL = 0.95
"""Coverage of every interval that is reported."""
TEST_LEVEL = 0.05
"""p below which a test is called significant."""
"""Confidence level of every interval."""

Interval = tuple[float, float | None, float | None]
"""Estimate, lower end and upper end; null for an open end."""

_COARSE, _FINE = np.linspace(0, 1, 257), np.linspace(0, 1, 65)


def t_quantile(dof: float, level: float = LEVEL) -> float:
    """Return the two-sided quantile of Student's t with `dof` degrees of freedom, dof > 0."""
    from scipy.special import stdtrit

    return float(stdtrit(dof, (1 + level) / 2))


def t_test(value: float, error: float, dof: float) -> float:
    """Return the two-sided p of an estimate with standard error `error` if the true value is zero."""
    from scipy.special import stdtr

    return 2 * float(stdtr(dof, -abs(value) / error if error else -math.inf))


def half_width(*variances: tuple[float, float], level: float = LEVEL) -> float:
    """Return half the interval of a sum of independent errors, given as (estimated variance, its dof).

    The quantile is the mean of those of F. E. Satterthwaite (Biometrics 2 (1946) 110) and W. G. Cochran (Biometrics 20
    (1964) 191). In simulations with 3 seeds (2 and 9 dof, any shares) the first covers 93.4 to 95 %, the second 95 to
    97.6 %, and their mean 94.6 to 96.8 %.
    """
    total = sum(variance for variance, _ in variances)
    if total <= 0:
        return 0.0
    satterthwaite = t_quantile(total**2 / sum(variance**2 / dof for variance, dof in variances), level)
    cochran = sum(variance * t_quantile(dof, level) for variance, dof in variances) / total
    return (satterthwaite + cochran) / 2 * math.sqrt(total)


def ratio_interval(one: Interval, other: Interval) -> tuple[float, float, float]:
    """Return other / one of two positive estimates, with its 95 % interval; an open end gives 0 or infinity.

    The intervals of the logarithms are combined as independent (G. Y. Zou and A. Donner, Stat. Med. 27 (2008) 1693).
    """
    (x, x_lo, x_hi), (y, y_lo, y_hi) = (_logs(*each) for each in (one, other))
    value = y - x
    low = value - math.hypot(y - y_lo, x_hi - x)
    high = value + math.hypot(y_hi - y, x - x_lo)
    return math.exp(value), math.exp(low), math.exp(high)


def _logs(value: float, low: float | None, high: float | None) -> tuple[float, float, float]:
    return (
        math.log(value),
        -math.inf if low is None else math.log(low),
        math.inf if high is None else math.log(high),
    )


def first(holds: Callable[[Floats], NDArray[np.bool_]], start: float, stop: float) -> float:
    """Return the first x on the way from `start` to `stop` at which `holds` is true; NaN if it never is.

    The way is scanned in 256 steps. The step in which the condition begins to hold is divided further, to 2e-10 of the
    way. A condition that holds over less than one step may be missed.
    """
    scan = start + (stop - start) * _COARSE
    scan[-1] = stop
    for _ in range(5):
        true = holds(scan)
        if not true.any():
            return math.nan
        at = int(np.argmax(true))
        if at == 0:
            break
        scan = scan[at - 1] + (scan[at] - scan[at - 1]) * _FINE
    return float(scan[at])


def simultaneous_quantile(columns: Floats, covariance: Floats, dof: float, level: float = LEVEL) -> float:
    """Return how many standard errors wide a band must be to hold all rows of `columns` together, by simulation.

    It is the quantile of max |z_i| sqrt(dof / chi^2) over rows i, where z is multivariate normal with the correlations
    of columns @ coefficients. `columns` has shape (m, k), `covariance` (k, k). The seed of the 20,000 draws is fixed;
    the standard error of the level is 0.0015.
    """
    random = np.random.default_rng(0)
    values, vectors = np.linalg.eigh(covariance)
    spread = columns @ (vectors * np.sqrt(np.maximum(values, 0.0)))
    spread = spread / np.maximum(np.linalg.norm(spread, axis=1, keepdims=True), 1e-300)
    highest = np.abs(random.standard_normal((20_000, len(covariance))) @ spread.T).max(axis=1)
    return float(np.quantile(highest * np.sqrt(dof / random.chisquare(dof, len(highest))), level))


def percentile_error(draws: NDArray[np.float64], level: float = LEVEL) -> tuple[float, float]:
    """Return the Monte-Carlo standard errors of the ends of `percentile`; NaN if no draw is finite.

    Each is half the distance between the quantiles one binomial standard error below and above that of the end.
    """
    finite = draws[np.isfinite(draws)]
    if not finite.size:
        return math.nan, math.nan
    ends = np.array([(1 - level) / 2, (1 + level) / 2])
    error = np.sqrt(ends * (1 - ends) / finite.size)
    low, high = np.quantile(finite, [np.clip(ends - error, 0, 1), np.clip(ends + error, 0, 1)])
    lo, hi = (high - low) / 2
    return float(lo), float(hi)


def percentile(draws: NDArray[np.float64], level: float = LEVEL) -> tuple[float, float]:
    """Return the central interval with a share `level` of the finite `draws`, shape (B,); NaN if none is finite."""
    finite = draws[np.isfinite(draws)]
    if not finite.size:
        return math.nan, math.nan
    lo, hi = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(lo), float(hi)
