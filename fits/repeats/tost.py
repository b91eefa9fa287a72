"""Equivalence within a margin: two one-sided tests (TOST), their power, and the smallest margin of a design.

D. J. Schuirmann, J. Pharmacokinet. Biopharm. 15 (1987) 657.
"""

import math
from functools import cache

from fits.intervals import TEST_LEVEL, t_quantile

POWER = 0.8
"""Power at which the smallest margin and the detectable mean are given."""


def tost(value: float, se: float, dof: float, margin: float) -> float:
    """Return p of the two one-sided t tests for an estimate with its standard error and degrees of freedom."""
    from scipy.special import stdtr

    if se == 0:
        return 0.0 if abs(value) < margin else 1.0
    return float(stdtr(dof, (abs(value) - margin) / se))


def equivalence_power(margin: float, sd: float, n: int, excess: float = 0.0) -> float:
    """Return the probability that a paired TOST at level 0.05 with `n` differences of SD `sd` says equivalent.

    It is exact. Mean and SD of n normal differences are independent, so the probability that the mean falls between
    -margin + t s / sqrt(n) and margin - t s / sqrt(n) is integrated over the chi distribution of s.
    """
    from scipy.integrate import quad
    from scipy.special import ndtr

    if n < 2:
        return 0.0
    if sd == 0:
        return float(abs(excess) < margin)
    error, dof = sd / math.sqrt(n), n - 1
    quantile = t_quantile(dof, 1 - 2 * TEST_LEVEL)
    widest = margin / (quantile * error)  # s / sd beyond which no mean passes

    scale = math.log(2) + dof / 2 * math.log(dof / 2) - math.lgamma(dof / 2)

    def passes(ratio: float) -> float:
        """Return the density of s / sd, times the probability that the mean passes at this s."""
        room = margin - quantile * ratio * error
        inside = ndtr((room - excess) / error) - ndtr((-room - excess) / error)
        log_density = scale + (dof - 1) * math.log(ratio) - dof * ratio**2 / 2
        return float(inside * math.exp(log_density))

    return float(quad(passes, 0.0, min(widest, 1 + 12 / math.sqrt(2 * dof)), limit=200)[0])


def detectable(sd: float, n: int) -> float | None:
    """Return the true mean that a two-sided t test at 5 % detects in 80 % of samples of `n`; None if n is below 2."""
    from scipy.special import nctdtrinc, stdtrit

    if n < 2:
        return None
    quantile = float(stdtrit(n - 1, 1 - TEST_LEVEL / 2))
    return float(nctdtrinc(n - 1, 1 - POWER, quantile)) * sd / math.sqrt(n)


def smallest_margin(sd: float, n: int) -> float | None:
    """Return the margin at which `equivalence_power` is 80 %; None for fewer than two differences."""
    return None if n < 2 else sd * _smallest_of_unit_sd(n)


@cache
def _smallest_of_unit_sd(n: int) -> float:
    from scipy.optimize import brentq

    return float(brentq(lambda margin: equivalence_power(margin, 1.0, n) - POWER, 1e-3, 1e3))
