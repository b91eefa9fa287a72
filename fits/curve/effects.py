"""Single effects by least squares: a column next to a curve, and the exponent of a power law, with 95 % intervals."""

import math

import numpy as np

from fits.intervals import t_quantile
from fits.laws.curve_basis import Basis
from fits.runs.table import Floats


def partial_effect(basis: Basis, x: Floats, y: Floats, column: Floats) -> tuple[float, float]:
    """Return the coefficient of `column` in a fit of y on the basis at x and that column, and half its 95 % interval.

    x, y and column have shape (n,). Both are regressed on the basis first, and then their residuals on each other (R.
    Frisch and F. V. Waugh, Econometrica 1 (1933) 387).
    """
    q = np.linalg.qr(basis.columns(x))[0]
    y, column = (values - q @ (q.T @ values) for values in (y, column))
    value, dof = float(column @ y / (column @ column)), len(x) - basis.size - 1
    variance = float(np.sum((y - value * column) ** 2)) / dof / float(column @ column)
    return value, t_quantile(dof) * math.sqrt(variance)


def power_law(x: Floats, y: Floats, weights: Floats | None = None) -> tuple[float, float, float]:
    """Return exponent, half its 95 % t interval, and factor of y = factor * x^exponent: least squares of ln y on ln x.

    x, y and weights have shape (n,), n at least 3.
    """
    x, y = np.log(x), np.log(y)
    w = np.ones_like(x) if weights is None else weights / weights.mean()
    center = np.average(x, weights=w), np.average(y, weights=w)
    dx, dy = x - center[0], y - center[1]
    exponent = float(np.sum(w * dx * dy) / np.sum(w * dx**2))
    residual = dy - exponent * dx
    error = math.sqrt(float(np.sum(w * residual**2)) / (len(x) - 2) / float(np.sum(w * dx**2)))
    return exponent, t_quantile(len(x) - 2) * error, math.exp(center[1] - exponent * center[0])
