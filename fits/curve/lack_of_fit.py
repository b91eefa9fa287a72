"""Tests of a curve's shape: does it pass through the means, and do the losses depend on x at all?

Runs at the same rate measure the noise without any curve. With several seeds this gives a test of lack of fit: if a
curve misses the means by more than the noise, its minimum means nothing, however narrow its interval (N. R. Draper and
H. Smith, Applied Regression Analysis, on pure error and lack of fit). Without repeats, a curve can still be compared
with the next larger basis.
"""

import numpy as np
from numpy.typing import NDArray

from fits.curve.least_squares import CurveData, FittedCurve
from fits.curve.shapes import ShapeFits
from fits.f_test import f_tail, residual_squares
from fits.result import LackOfFit
from fits.runs.table import Floats

REJECTED = 0.005
"""p of lack of fit below which a curve says nothing about the optimum."""

RESOLUTION = 1e-3
"""Share of the sum of squares that the grid of shapes may miss."""


def lack_of_fit(data: CurveData, curve: FittedCurve | ShapeFits) -> LackOfFit | None:
    """Compare a curve, or the best shape, with one mean for each rate; None without repeats or degrees of freedom."""
    codes = np.unique(np.round(data.x, 6), return_inverse=True)[1].reshape(-1)
    error, rank = residual_squares(_within(codes, data.blocks), _within(codes, data.loss[:, None])[:, 0])
    error_dof = len(data.loss) - rank - data.rates
    shape_dof = curve.dof - error_dof
    if shape_dof < 1e-6 or error_dof < 1 or error <= data.rounding:
        return None
    F = max(0.0, curve.residual - error) / shape_dof / (error / error_dof)
    return LackOfFit(F=F, shape_dof=max(1, round(shape_dof)), error_dof=error_dof, p=f_tail(F, shape_dof, error_dof))


def no_shape_fits(data: CurveData, shapes: ShapeFits) -> float | None:
    """Return p of the lack of fit of the best shape if it is rejected, else None.

    Shapes and places lie on a grid, so a misfit below RESOLUTION of the sum of squares does not reject.
    """
    test = lack_of_fit(data, shapes)
    coarse = shapes.residual < RESOLUTION * shapes.means.total
    return None if test is None or test.p >= REJECTED or coarse else test.p


def nested_p(data: CurveData, curve: FittedCurve, wider: FittedCurve) -> float | None:
    """Return p of the F test of `curve` against `wider`, which contains it; None without noise to test against."""
    if wider.dof < 1 or wider.residual <= data.rounding:
        return None
    gained = max(0.0, curve.residual - wider.residual) / (curve.dof - wider.dof)
    return f_tail(gained / wider.variance, curve.dof - wider.dof, wider.dof)


def no_effect(data: CurveData, curve: FittedCurve) -> float:
    """Return p of the F test of the curve against a constant: small if the loss depends on x."""
    constant = np.hstack([np.ones((len(data.loss), 1)), data.blocks])
    flat, rank = residual_squares(constant, data.loss)
    dof = len(data.loss) - rank
    if curve.residual <= data.rounding:
        return 0.0 if flat > 100 * data.rounding else 1.0
    return f_tail((flat - curve.residual) / (dof - curve.dof) / curve.variance, dof - curve.dof, curve.dof)


def misfit(data: CurveData, curve: FittedCurve) -> float | None:
    """Return p of a misfit as large as that of the curve if its shape is true; None if nothing tests it.

    A curve is tested against the means, and against the next wider basis if there is one (Bonferroni for two tests).
    """
    shape = lack_of_fit(data, curve)
    wider = data.fit(curve.basis.wider) if curve.basis.wider is not None else None
    nested = nested_p(data, curve, wider) if wider is not None else None
    tests = [p for p in (shape.p if shape else None, nested) if p is not None]
    return min(1.0, min(tests) * len(tests)) if tests else None


def _within(codes: NDArray[np.intp], columns: Floats) -> Floats:
    """Return the columns, shape (n, k), less their means at each rate."""
    count = np.bincount(codes)
    means = [np.bincount(codes, weights=column) / count for column in columns.T]
    return np.column_stack([column - mean[codes] for column, mean in zip(columns.T, means, strict=True)] or [columns])
