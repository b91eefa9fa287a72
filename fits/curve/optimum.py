"""The optimum of a fitted curve: its minimum, a 95 % interval, and the region within the margin.

The estimate is the minimum of the law's own curve. The interval comes from a family of shapes with one minimum
(`fits.curve.shapes`), which assumes no law, and is extended to contain the estimate. A number is given only if the runs
bound it on at least one side within the sampled range; in every other case the status and the reason say what is
missing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from fits.curve.least_squares import FittedCurve
from fits.curve.shapes import Range, ShapeFits
from fits.intervals import first
from fits.result import Ends, Optimum
from fits.runs.table import Floats
from fits.status import Cause, Status, Why

BASIS = "a curve with one minimum"
"""What the interval assumes."""

NO_EFFECT = 0.05
"""p of the test of no effect above which no optimum is reported."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OptimumInputs:
    """What determines the optimum of a curve, apart from the curve."""

    shapes: ShapeFits | None
    """The fits of all shapes, for the interval; null if the runs are too few for them."""
    shapeless: Cause | None
    """Why no shape with one minimum describes the runs; null if one does."""
    measured: float
    """The x with the lowest measured mean loss."""
    rejected: Cause | None
    """Why the curve says nothing about an optimum; null if it does."""
    flat: float
    """p of the test that the loss does not depend on x."""
    margin: float | None
    """Loss that counts as no difference, nats per token."""
    of: str = "r_a"
    """The column whose logarithm is x."""


def unknown_optimum(cause: Cause, margin: float | None, of: str = "r_a") -> Optimum:
    """Return the optimum of runs that do not determine one."""
    return Optimum(of=of, margin=margin, status=Status.NOT_IDENTIFIED, **cause)


def minimum(curve: FittedCurve, given: OptimumInputs) -> Optimum:
    """Return the minimum of `curve` in the sampled range, with its 95 % interval and the region within the margin."""
    range_, more = _range(curve, given.of), _more(given.of)
    blank = unknown_optimum(Why.UNTESTED.because(more=more), given.margin, given.of)
    turning = curve.lowest
    end = {curve.low: "low", curve.high: "high"}.get(turning)
    # The order of these tests matters: each assumes that the ones before it passed. First whether some shape describes
    # the runs, then what its interval leaves open, then the shape of the curve itself, which gives the estimate.
    if not curve.bends_upwards:
        return replace(blank, status=Status.NO_MINIMUM, edge=end, **Why.NO_BEND.because(more=more, end=end))
    if given.shapes is None or given.shapeless:
        return replace(blank, edge=end, **(given.shapeless or given.rejected or Why.UNTESTED.because(more=more)))
    blank, shapes = replace(blank, basis=BASIS), given.shapes
    if given.rejected:
        lo, hi = _open(shapes.interval, curve)
        return replace(blank, edge=end, lo=lo, hi=hi, **given.rejected)
    lo, hi = _with(shapes.interval, turning)
    if lo <= curve.low and hi >= curve.high and not end:
        return replace(blank, **Why.UNBOUNDED.because(at=math.exp(turning), range=range_))
    if given.flat > NO_EFFECT:
        return replace(blank, edge=end, **Why.NO_EFFECT.because(p=given.flat))
    if end:
        return _at_end(curve, end, (lo, hi), given, blank)
    return _inside(curve, shapes, (lo, hi), given, blank)


def _with(interval: Range, place: float) -> Range:
    """Return the interval, extended to contain the place."""
    return min(interval[0], place), max(interval[1], place)


def _open(interval: Range, curve: FittedCurve) -> Ends:
    """Return the ends as rates; null for an end at an end of the sampled range."""
    return _rate(interval[0], curve.low), _rate(interval[1], curve.high)


def _at_end(curve: FittedCurve, end: str, interval: Range, given: OptimumInputs, blank: Optimum) -> Optimum:
    """Return the optimum of a curve that is lowest at an end of the range: a bound on one side, and no estimate."""
    lo, hi = interval
    side = "below" if end == "low" else "above"
    facts = {"range": _range(curve, given.of), "more": _more(given.of), "side": side, "end": end}
    if lo <= curve.low and hi >= curve.high:
        return replace(blank, edge=end, **Why.BEYOND_ALL.because(**facts))
    # A curve may be pulled to an end by runs far from it; the measured means must agree before it is called an edge.
    if not math.isclose(given.measured, curve.low if end == "low" else curve.high, abs_tol=1e-5):
        return replace(blank, edge=end, **Why.MEANS_DISAGREE.because(at=math.exp(given.measured), **facts))
    return replace(
        blank,
        status=Status.EDGE,
        edge=end,
        lo=math.exp(lo) if end == "high" else None,
        hi=math.exp(hi) if end == "low" else None,
        **Why.FALLS_AT_END.because(**facts),
    )


def _inside(curve: FittedCurve, shapes: ShapeFits, interval: Range, given: OptimumInputs, blank: Optimum) -> Optimum:
    """Return the optimum of a curve that is lowest between the ends of the range."""
    lo, hi = _open(interval, curve)
    loss, loss_lo, loss_hi = curve.level
    found = replace(
        blank,
        status=Status.CONVERGED,
        value=math.exp(curve.lowest),
        lo=lo,
        hi=hi,
        loss=loss,
        loss_lo=min(loss_lo, shapes.levels[0]),
        loss_hi=max(loss_hi, shapes.levels[1]),
        **_bounded(lo, hi, curve, given),
    )
    return found if given.margin is None else _with_region(found, curve, shapes, given.margin)


def _with_region(found: Optimum, curve: FittedCurve, shapes: ShapeFits, margin: float) -> Optimum:
    """Add the region {x : L(x) - L* <= margin} of the curve, and 95 % intervals of its two ends."""

    def rises(end: float) -> float:
        floor = curve.lowest
        return threshold_crossing(lambda x: curve.above(x, floor)[0], margin, floor, end)

    points = rises(curve.low), rises(curve.high)
    low, high = (_open(_with(ends, point), curve) for ends, point in zip(shapes.ends(margin), points, strict=True))
    return replace(found, region=_open(points, curve), region_ends=(low, high))


def threshold_crossing(height: Callable[[Floats], Floats], threshold: float, floor: float, end: float) -> float:
    """Return where `height` passes `threshold` on the way from x = `floor` to x = `end`; `end` if it never does."""
    found = first(lambda x: np.asarray(height(x) >= threshold), floor, end)
    return end if math.isnan(found) else found


def _rate(x: float, end: float) -> float | None:
    return None if x == end else math.exp(x)


def _bounded(lo: float | None, hi: float | None, curve: FittedCurve, given: OptimumInputs) -> Cause:
    range_ = _range(curve, given.of)
    if lo is not None and hi is not None:
        return Why.INSIDE.because(range=range_)
    side = "below" if lo is None else "above"
    return Why.ONE_SIDED.because(range=range_, side=side, more=_more(given.of))


def _more(of: str) -> str:
    return "rates" if of == "r_a" else "values"


def _range(curve: FittedCurve, of: str) -> str:
    return f"the sampled {_more(of)} ({math.exp(curve.low):.3g} to {math.exp(curve.high):.3g})"
