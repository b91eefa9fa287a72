"""What every curve says of the same runs: how much of an answer is the choice of its basis."""

import math

from fits.curve.lack_of_fit import misfit
from fits.curve.least_squares import CurveData, FittedCurve
from fits.laws import cubic, quadratic, spline
from fits.laws.curve_basis import Curve
from fits.result import Sensitivity

CURVES: tuple[Curve, ...] = (quadratic.LAW, cubic.LAW, spline.LAW)


def sensitivity(sample: CurveData) -> tuple[Sensitivity, ...]:
    """Return where each curve is lowest on these runs, with the interval that assumes its shape."""
    return tuple(_row(law, sample) for law in CURVES)


def _row(law: Curve, sample: CurveData) -> Sensitivity:
    line = sample.line(law.basis(sample.x)) if sample.rates >= law.rates else None
    if line is None or line.dof < 0.5:
        note = f"not fitted: too few runs or rates ({len(sample.x)} and {sample.rates})"
        return Sensitivity(
            law=law.name, value=None, lo=None, hi=None, loss=None, residual_sd=None, dof=None, misfit=None, note=note
        )
    turning = line.lowest
    lo, hi = line.interval
    inside = line.low < turning < line.high
    return Sensitivity(
        law=law.name,
        value=math.exp(turning) if inside else None,
        lo=math.exp(lo) if lo > line.low else None,
        hi=math.exp(hi) if hi < line.high else None,
        loss=line.level[0],
        residual_sd=line.sd,
        dof=line.dof,
        misfit=misfit(sample, line),
        note=None if inside else f"lowest at the {_end(line, turning)} end of the sampled range",
    )


def _end(line: FittedCurve, turning: float) -> str:
    return "low" if turning == line.low else "high"
