"""The loss that a fitted curve predicts, with its 95 % band."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fits.intervals import simultaneous_quantile, t_quantile
from fits.laws import curves
from fits.laws.curve_basis import Basis
from fits.runs.table import Floats
from planners.records.errors import UsageError
from planners.records.registry import look_up

if TYPE_CHECKING:  # results import this module
    from fits.result import FitResult


def curve(
    result: FitResult, r_a: float | Sequence[float] | Floats, *, simultaneous: bool = False
) -> tuple[Floats, Floats | None, Floats | None]:
    """Return the fitted loss at `r_a` (or top_k, or granularity), shape (m,), and the ends of its 95 % band.

    The band is for the mean loss (t). It is pointwise, or `simultaneous`: then it holds the whole curve over the
    sampled range in 95 % of studies. Without a covariance both ends are missing (None). Raises UsageError for a fit
    that is not a curve or has no coefficients.

    >>> fit = fit_law(read_runs("results/laptop").where("epochs<=1"), "cubic")
    >>> loss, low, high = curve(fit, [0.15, 0.2])
    >>> loss.shape
    (2,)
    """
    values = [param.value for param in result.params.values()]
    if result.optimum is None or set(result.domain) != {result.optimum.of} or None in values:
        raise UsageError(f"the fit of {result.law} is not a curve of r_a with known coefficients; its reason says why")
    basis = basis_of(result)
    columns = basis.columns(np.log(np.atleast_1d(np.asarray(r_a, float))))
    mean = columns @ np.array(values, float)
    if result.covariance is None:
        return mean, None, None
    covariance, quantile = np.array(result.covariance), t_quantile(result.dof)
    if simultaneous:
        low, high = np.log(result.domain[result.optimum.of])
        quantile = simultaneous_quantile(basis.columns(np.linspace(low, high, 101)), covariance, result.dof)
    half = quantile * np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", columns, covariance, columns), 0))
    return mean, mean - half, mean + half


def basis_of(result: FitResult) -> Basis:
    """Return the basis of a fitted curve. Raises UsageError for a law that is not a known curve."""
    return look_up(curves(), result.law, "curve").basis(np.log(result.knots or ()))
