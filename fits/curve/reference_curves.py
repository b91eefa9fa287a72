"""The curves that the interval of an optimum rests on: the smallest polynomials, cubic or wider, that the runs allow.

An interval that assumes the law's own shape covers what it says only where that shape is true: on a loss that is
no parabola, Fieller's set of the parabola covered 18 % where the lack-of-fit test let 84 % of the studies pass. The
test of the minimum of a cubic holds its level on the truths that were tried (`python -m benchmarks.calibration`).
"""

from dataclasses import dataclass

from fits.curve.lack_of_fit import DOUBTED, REJECTED, misfit
from fits.curve.least_squares import CurveData, FittedCurve
from fits.laws.curve_basis import Powers

DEGREES = {3: "cubic", 4: "quartic", 5: "quintic"}


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceCurves:
    """The curves that were asked."""

    lines: tuple[FittedCurve, ...] = ()
    """Those not rejected; none where the runs determine no cubic, or reject all that they determine."""
    names: tuple[str, ...] = ()
    """Their names."""
    tried: tuple[str, ...] = ()
    """Names of all that were fitted, the rejected ones included."""


def reference_curves(sample: CurveData) -> ReferenceCurves:
    """Return the cubic, and wider polynomials while the last one is doubted; those clearly rejected are left out."""
    kept: dict[str, FittedCurve] = {}
    tried = []
    for degree, name in DEGREES.items():
        line = sample.line(Powers(degree + 1))
        if line is None or line.dof < 1:
            break
        tried.append(name)
        p = misfit(sample, line)
        if p is None or p >= REJECTED:
            kept[name] = line
        if p is None or p >= DOUBTED:
            break
    return ReferenceCurves(lines=tuple(kept.values()), names=tuple(kept), tried=tuple(tried))
