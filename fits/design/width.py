"""The width of the interval of r_a* that a design gives: expected without noise, or simulated with it.

A design is the runs of one series: x = ln r_a and the seed of each. Widths are in ln r_a. An end that the runs do not
bound counts as the end of a common range, so designs of different ranges can be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fits.curve.fit_curve import optimum_of
from fits.curve.least_squares import CurveData
from fits.curve.shapes import central, shape_fits
from fits.design.truths import Known, TrueCurve
from fits.laws import curves
from fits.runs.table import Floats
from fits.status import Status

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Design:
    """The runs of one series."""

    x: tuple[float, ...]
    """ln r_a of each run."""
    seeds: tuple[int, ...]
    """Seed of each run."""

    def __add__(self, other: "Design") -> "Design":
        return Design(x=self.x + other.x, seeds=self.seeds + other.seeds)

    def data(self, losses: Floats) -> CurveData:
        """Return the runs with these losses, shape (n,), and their seeds as blocks."""
        codes = np.unique(self.seeds, return_inverse=True)[1].reshape(-1)
        member = (codes[:, None] == np.arange(codes.max() + 1)).astype(float)
        return CurveData(x=np.array(self.x), loss=losses, blocks=member[:, :-1] - member[:, -1:])


def expected_width(design: Design, known: Known, within: Range) -> float:
    """Return the width of the interval when every loss is as expected, mean over the curves of `known`.

    Each curve is weighted by how badly it fits the losses without noise, next to the noise. That is nearly the interval
    of the median study, found without simulation.
    """
    return float(np.mean([_width_without_noise(design, curve, known.sd, within) for curve in known.curves]))


def cubic_variance(design: Design, known: Known) -> float:
    """Return the variance of the derivative of a fitted cubic at the minimum, in units of the noise, mean over curves.

    It is quick to compute and nearly proportional to the squared width, so it selects what is worth a closer look.
    """
    x = np.array(design.x)
    columns = np.column_stack([x**power for power in range(4)] + [design.data(x).blocks])
    inverse = np.linalg.pinv(columns.T @ columns)
    gradients = [np.pad([0.0, 1.0, 2 * curve.best, 3 * curve.best**2], (0, len(inverse) - 4)) for curve in known.curves]
    return float(np.mean([gradient @ inverse @ gradient for gradient in gradients]))


def _width_without_noise(design: Design, curve: TrueCurve, sd: float, within: Range) -> float:
    exact = shape_fits(design.data(curve.losses(np.array(design.x))))
    if exact is None:
        return within[1] - within[0]
    fits = exact.with_noise(sd)
    return _length(*central(fits.places, fits.density), within)


def _length(lo: float, hi: float, within: Range) -> float:
    return max(min(hi, within[1]) - max(lo, within[0]), 0.0)


@dataclass(frozen=True, kw_only=True)
class SimulatedWidth:
    """The intervals of simulated studies of one design."""

    studies: int
    """Number of studies."""
    width: float
    """Median width in ln r_a."""
    closed: float
    """Share of the studies whose interval is bounded on both sides."""
    held: float
    """Share of the intervals that hold the true best rate."""


def simulated_width(
    design: Design, known: Known, within: Range, *, studies: int, seed: int = 0, law: str = "cubic"
) -> SimulatedWidth:
    """Return the widths of `studies` simulated studies, each analysed as `scaling.fit` does; curves take turns."""
    random = np.random.default_rng(seed)
    exact = [curve.losses(np.array(design.x)) for curve in known.curves]
    found: list[tuple[float, bool, bool]] = []
    for number in range(studies):
        place = number % len(exact)
        losses = 3.0 + exact[place] + known.sd * random.standard_normal(len(design.x))
        found.append(_found(design.data(losses), known.curves[place].best, within, law))
    widths, closed, held = (np.array([one[at] for one in found], float) for at in range(3))
    return SimulatedWidth(
        studies=studies, width=float(np.median(widths)), closed=float(closed.mean()), held=float(held.mean())
    )


def _found(data: CurveData, best: float, within: Range, law: str) -> tuple[float, bool, bool]:
    """Return the width of the interval, whether it is bounded on both sides, and whether it holds the truth."""
    optimum = optimum_of(data, curves()[law])
    stated = optimum.status in (Status.CONVERGED, Status.EDGE)
    lo = np.log(optimum.lo) if stated and optimum.lo else -np.inf
    hi = np.log(optimum.hi) if stated and optimum.hi else np.inf
    return _length(lo, hi, within), bool(np.isfinite(lo) and np.isfinite(hi)), bool(lo <= best <= hi)


def within_of(designs: Sequence[Design]) -> Range:
    """Return the range of x of several designs together."""
    every = [x for design in designs for x in design.x]
    return min(every), max(every)
