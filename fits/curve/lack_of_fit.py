"""Does the curve pass through what was measured, and is there anything to be on a curve?

Runs of one rate tell the noise apart from the shape: with several seeds, a curve that misses the means by more than the
noise has a minimum that means nothing, however narrow its interval (N. R. Draper and H. Smith, Applied Regression
Analysis, on pure error and lack of fit). Without repeats a curve can still be held against one with a further power.
"""

import numpy as np
from numpy.typing import NDArray

from fits.curve.least_squares import CurveData, FittedCurve
from fits.laws.curve_basis import Powers
from fits.result import LackOfFit
from fits.runs.table import Floats

DOUBTED = 0.05
"""Probability below which the misses of a curve are told from noise: a wider curve is asked as well."""
REJECTED = 0.005
"""Probability below which the curve says nothing of the optimum. Between the two, a right curve may have met its one
bad study in twenty, and what a wider one then says alone was selected by its wiggles (it covers 40 %): both are kept.
"""


def lack_of_fit(sample: CurveData, line: FittedCurve) -> LackOfFit | None:
    """Compare a curve with a mean for each rate; None where no runs share a rate, or no shape is left to test."""
    codes = np.unique(np.round(sample.x, 6), return_inverse=True)[1].reshape(-1)
    error, left = _unexplained(_within(codes, sample.blocks), _within(codes, sample.loss[:, None])[:, 0])
    error_dof = left - sample.rates
    shape_dof = line.dof - error_dof
    if shape_dof < 1e-6 or error_dof < 1 or error <= sample.rounding:
        return None
    F = max(0.0, line.residual - error) / shape_dof / (error / error_dof)
    return LackOfFit(F=F, shape_dof=max(1, round(shape_dof)), error_dof=error_dof, p=tail(F, shape_dof, error_dof))


def next_power(sample: CurveData, line: FittedCurve, wider: FittedCurve) -> float | None:
    """Return the probability of so large a gain by `wider`, which nests `line`; None without noise to judge by."""
    if wider.dof < 1 or wider.residual <= sample.rounding:
        return None
    gained = max(0.0, line.residual - wider.residual) / (line.dof - wider.dof)
    return tail(gained / wider.variance, line.dof - wider.dof, wider.dof)


def no_effect(sample: CurveData, line: FittedCurve) -> float:
    """Return the probability of so large an effect of x where there is none: F test of the curve against a constant."""
    constant = np.hstack([np.ones((len(sample.loss), 1)), sample.blocks])
    flat, dof = _unexplained(constant, sample.loss)
    if line.residual <= sample.rounding:
        return 0.0 if flat > 100 * sample.rounding else 1.0
    return tail((flat - line.residual) / (dof - line.dof) / line.variance, dof - line.dof, line.dof)


def misfit(sample: CurveData, line: FittedCurve) -> float | None:
    """Return the probability of misses like these of a right curve; None where nothing tests it.

    A polynomial is held against the means and one with a further power (Bonferroni), a spline against the means.
    """
    shape = lack_of_fit(sample, line)
    wider = sample.line(Powers(line.basis.size + 1)) if isinstance(line.basis, Powers) else None
    further = next_power(sample, line, wider) if wider is not None else None
    tests = [p for p in (shape.p if shape else None, further) if p is not None]
    return min(1.0, min(tests) * len(tests)) if tests else None


def _within(codes: NDArray[np.intp], columns: Floats) -> Floats:
    """Return columns, shape (n, k), less the means of their rates: what a mean for each rate leaves of them."""
    count = np.bincount(codes)
    means = [np.bincount(codes, weights=column) / count for column in columns.T]
    return np.column_stack([column - mean[codes] for column, mean in zip(columns.T, means, strict=True)] or [columns])


def _unexplained(design: Floats, loss: Floats) -> tuple[float, int]:
    """Return the residual sum of squares of a least-squares fit and the runs less its rank."""
    solution, _, rank, _ = np.linalg.lstsq(design, loss, rcond=None)
    return float(np.sum((loss - design @ solution) ** 2)), len(loss) - int(rank)


def tail(F: float, shape_dof: float, error_dof: float) -> float:
    """Return the probability of an F at least as large."""
    from scipy.special import fdtrc

    return float(fdtrc(shape_dof, error_dof, max(F, 0.0)))
