"""The reference curves of an interval: the smallest polynomials, cubic or wider, that the runs do not reject.

An interval that assumes the shape of the fitted law covers the truth only if that shape is true. On a loss that was not
a parabola, Fieller's set of the parabola covered 18 %, although the lack-of-fit test accepted 84 % of the studies. The
test of the minimum of a cubic holds its level on all simulated truths (`python -m benchmarks.calibration`).
"""

from dataclasses import dataclass

from fits.curve.lack_of_fit import DOUBTED, REJECTED, misfit
from fits.curve.least_squares import CurveData, FittedCurve
from fits.laws.curve_basis import Powers

DEGREES = {3: "cubic", 4: "quartic", 5: "quintic"}


@dataclass(frozen=True, kw_only=True, eq=False)
class ReferenceCurves:
    """The reference curves of some runs."""

    lines: tuple[FittedCurve, ...] = ()
    """Curves that are not rejected; empty if the runs determine no cubic, or reject all that they determine."""
    names: tuple[str, ...] = ()
    """Their names."""
    tried: tuple[str, ...] = ()
    """Names of all fitted curves, including rejected ones."""


def reference_curves(data: CurveData) -> ReferenceCurves:
    """Return the cubic, and wider polynomials for as long as the last one is doubted, without the rejected ones."""
    kept: dict[str, FittedCurve] = {}
    tried = []
    for degree, name in DEGREES.items():
        curve = data.fit(Powers(degree + 1))
        if curve is None or curve.dof < 1:
            break
        tried.append(name)
        p = misfit(data, curve)
        if p is None or p >= REJECTED:
            kept[name] = curve
        if p is None or p >= DOUBTED:
            break
    return ReferenceCurves(lines=tuple(kept.values()), names=tuple(kept), tried=tuple(tried))
