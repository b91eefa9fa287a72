"""The curves that the interval of an optimum rests on: the smallest polynomials, cubic or wider, that the runs allow.

An interval that assumes the law's own shape covers what it says only where that shape is true: on a loss that is
no parabola, Fieller's set of the parabola covered 18 % where the lack-of-fit test let 84 % of the studies pass. The
test of the minimum of a cubic holds its level on the truths that were tried (`benchmarks/calibration.py`).
"""

from dataclasses import dataclass

from fits.adequacy import DOUBTED, REJECTED, lack_of_fit, next_power
from fits.bases import Powers
from fits.lines import Line, solve
from fits.table import Floats

DEGREES = {3: "cubic", 4: "quartic", 5: "quintic"}


@dataclass(frozen=True, kw_only=True, eq=False)
class References:
    """The curves that were asked."""

    lines: tuple[Line, ...] = ()
    """Those not rejected; none where the runs determine no cubic, or reject all that they determine."""
    names: tuple[str, ...] = ()
    """Their names."""
    tried: tuple[str, ...] = ()
    """Names of all that were fitted, the rejected ones included."""


def references(x: Floats, loss: Floats, blocks: Floats) -> References:
    """Return the cubic, and wider polynomials while the last one is doubted; those clearly rejected are left out."""
    kept: dict[str, Line] = {}
    tried = []
    for degree, name in DEGREES.items():
        line = solve(Powers(degree + 1), x, loss, blocks)
        if line is None or line.dof < 1:
            break
        tried.append(name)
        p = misfit(x, loss, line)
        if p is None or p >= REJECTED:
            kept[name] = line
        if p is None or p >= DOUBTED:
            break
    return References(lines=tuple(kept.values()), names=tuple(kept), tried=tuple(tried))


def misfit(x: Floats, loss: Floats, line: Line) -> float | None:
    """Return the probability of misses like these of a right curve; None where nothing tests it.

    A polynomial is held against the means and one with a further power (Bonferroni), a spline against the means.
    """
    shape = lack_of_fit(x, loss, line)
    wider = solve(Powers(line.basis.size + 1), x, loss, line.blocks) if isinstance(line.basis, Powers) else None
    further = next_power(line, wider, loss) if wider is not None else None
    tests = [p for p in (shape.p if shape else None, further) if p is not None]
    return min(1.0, min(tests) * len(tests)) if tests else None
