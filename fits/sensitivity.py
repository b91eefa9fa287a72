"""What every curve says of the same runs: how much of an answer is the choice of its basis."""

import math

import numpy as np

from fits.bases import Curve
from fits.laws import cubic, quadratic, spline
from fits.lines import Line, solve
from fits.optimum import interval, level
from fits.references import misfit
from fits.result import Sensitivity
from fits.table import Floats

CURVES: tuple[Curve, ...] = (quadratic.LAW, cubic.LAW, spline.LAW)


def sensitivity(x: Floats, loss: Floats, blocks: Floats) -> tuple[Sensitivity, ...]:
    """Return where each curve is lowest on these runs, with the interval that assumes its shape.

    x and loss have shape (n,), blocks (n, b).
    """
    return tuple(_row(law, x, loss, blocks) for law in CURVES)


def _row(law: Curve, x: Floats, loss: Floats, blocks: Floats) -> Sensitivity:
    blank = Sensitivity(law=law.name, value=None, lo=None, hi=None, loss=None, residual_sd=None, dof=None, misfit=None)
    rates = np.unique(np.round(x, 6)).size
    line = solve(law.basis(x), x, loss, blocks) if rates >= law.rates else None
    if line is None or line.dof < 0.5:
        return Sensitivity(**{**vars(blank), "note": f"not fitted: too few runs or rates ({len(x)} and {rates})"})
    turning = line.lowest
    lo, hi = interval(line)
    inside = line.low < turning < line.high
    return Sensitivity(
        law=law.name,
        value=math.exp(turning) if inside else None,
        lo=math.exp(lo) if lo > line.low else None,
        hi=math.exp(hi) if hi < line.high else None,
        loss=level(line)[0],
        residual_sd=line.sd,
        dof=line.dof,
        misfit=misfit(x, loss, line),
        note=None if inside else f"lowest at the {_end(line, turning)} end of the sampled range",
    )


def _end(line: Line, turning: float) -> str:
    return "low" if turning == line.low else "high"
