"""Sensitivity of an optimum to the choice of curve: every curve fitted to the same runs."""

import math

from fits.curve.lack_of_fit import misfit
from fits.curve.least_squares import CurveData
from fits.laws import curves
from fits.laws.curve_basis import Curve
from fits.result import Sensitivity


def sensitivity(data: CurveData) -> tuple[Sensitivity, ...]:
    """Return the minimum of each curve on these runs, with the interval that assumes the shape of that curve."""
    return tuple(_row(law, data) for law in curves().values())


def _row(law: Curve, data: CurveData) -> Sensitivity:
    curve = data.fit(law.basis(data.x)) if data.rates >= law.rates else None
    if curve is None or curve.dof < 0.5:
        note = f"not fitted: too few runs or rates ({len(data.x)} and {data.rates})"
        return Sensitivity(
            law=law.name, value=None, lo=None, hi=None, loss=None, residual_sd=None, dof=None, misfit=None, note=note
        )
    turning = curve.lowest
    lo, hi = curve.interval
    inside = curve.low < turning < curve.high
    end = "low" if turning == curve.low else "high"
    return Sensitivity(
        law=law.name,
        value=math.exp(turning) if inside else None,
        lo=math.exp(lo) if lo > curve.low else None,
        hi=math.exp(hi) if hi < curve.high else None,
        loss=curve.level[0],
        residual_sd=curve.sd,
        dof=curve.dof,
        misfit=misfit(data, curve),
        note=None if inside else f"lowest at the {end} end of the sampled range",
    )
