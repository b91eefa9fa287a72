"""The F test: what a least-squares fit leaves unexplained, and how probable a ratio of variances is by chance."""

import math

import numpy as np

from fits.runs.table import Floats

_TERMS = 300
"""Terms of the continued fraction: enough for 12 digits at up to 20,000 degrees of freedom."""


def residual_squares(design: Floats, values: Floats, rcond: float | None = None) -> tuple[float, int]:
    """Return the sum of squared residuals of the least-squares fit of `values` (n,), and the rank of the design (n, k).

    Singular values below `rcond` times the largest count as zero; None stands for n times the precision of floats.
    """
    fitted, _, rank, _ = np.linalg.lstsq(design, values, rcond=rcond)
    return float(np.sum((values - design @ fitted) ** 2)), int(rank)


def f_tail(F: float, dof: float, error_dof: float) -> float:
    """Return the probability of an F of (dof, error_dof) degrees of freedom that is at least as large; 1 for F <= 0.

    It is `scipy.special.fdtrc`. That package takes 0.1 s to import, which is more than most fits of a table take.
    """
    above, below = dof * max(F, 0.0), error_dof
    x, rest = below / (above + below), above / (above + below)
    if x > (error_dof + 2) / (dof + error_dof + 4):  # the fraction converges slowly here: take the other tail
        return 1 - _beta(rest, x, dof / 2, error_dof / 2)
    return _beta(x, rest, error_dof / 2, dof / 2)


def _beta(x: float, rest: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function I_x(a, b), with rest = 1 - x (DLMF 8.17.22)."""
    if x <= 0:
        return 0.0
    fraction = 1.0
    for term in range(_TERMS, 0, -1):
        m, odd = divmod(term, 2)
        top = -(a + m) * (a + b + m) if odd else m * (b - m)
        fraction = 1 + top * x / ((a + term - 1) * (a + term)) / fraction
    scale = a * math.log(x) + b * math.log(rest) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(scale) / a / fraction
