"""Does the curve pass through what was measured? The lack-of-fit test of a curve against the means of its rates.

Runs of one rate tell the noise apart from the shape: with several seeds, a curve that misses the means by more than the
noise has a minimum that means nothing, however narrow its interval (N. R. Draper and H. Smith, Applied Regression
Analysis, on pure error and lack of fit).
"""

import numpy as np

from fits.result import LackOfFit
from fits.table import Floats

REJECTED = 0.05
"""Probability below which the curve is said to miss the means."""


def lack_of_fit(x: Floats, loss: Floats, blocks: Floats, residual: float, dof: int) -> LackOfFit | None:
    """Compare a curve with a mean for each rate; None where no runs share a rate, or no shape is left to test.

    x: (n,) ln r_a; blocks: (n, b) columns of the block intercepts, b may be 0; `residual` (sum of squares) and `dof`
    are those of the curve.
    """
    codes = np.unique(np.round(x, 6), return_inverse=True)[1]
    means = (codes[:, None] == np.arange(codes.max() + 1)).astype(float)  # (n, rates)
    design = np.hstack([means, blocks])
    solution, _, rank, _ = np.linalg.lstsq(design, loss, rcond=None)
    error_dof = len(loss) - int(rank)
    shape_dof = dof - error_dof
    error = float(np.sum((loss - design @ solution) ** 2))
    if shape_dof < 1 or error_dof < 1 or error <= 1e-24 * float(np.sum(loss**2)):
        return None
    from scipy.special import fdtrc

    F = max(0.0, residual - error) / shape_dof / (error / error_dof)
    return LackOfFit(F=F, shape_dof=shape_dof, error_dof=error_dof, p=float(fdtrc(shape_dof, error_dof, F)))
