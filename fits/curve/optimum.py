"""The optimum of a fitted curve: its minimum, a 95 % interval, and the region within the margin.

The estimate is the minimum of the law's own curve. The interval comes from reference curves
(`fits.curve.reference_curves`), which are more flexible than most laws, and is extended to contain the estimate. A
number is given only if the reference curves bound it on at least one side within the sampled range; in every other case
the status and the reason say what is missing.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fits.curve.least_squares import FittedCurve
from fits.curve.reference_curves import ReferenceCurves
from fits.intervals import first
from fits.result import Optimum
from fits.runs.table import Floats
from fits.status import Cause, Status, Why

Pair = tuple[float, float]
Heights = Callable[[Floats], tuple[Floats, Floats]]

NO_EFFECT = 0.05
"""p of the test of no effect above which no optimum is reported."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OptimumInputs:
    """What determines the optimum of a curve, apart from the curve."""

    references: ReferenceCurves
    """Reference curves for the interval."""
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
    blank, range_ = unknown_optimum(_no_reference(given), given.margin, given.of), _range(curve, given.of)
    turning = curve.lowest
    end = {curve.low: "low", curve.high: "high"}.get(turning)
    # The order of these tests matters: each assumes that the ones before it passed. First the shape of the curve
    # itself, then whether any reference curve is trusted, then what their intervals leave open.
    if not curve.bends_upwards:
        cause = Why.NO_BEND.because(more=_more(given.of), end=end)
        return replace(blank, status=Status.NO_MINIMUM, edge=end, **cause)
    if given.rejected:
        return replace(blank, edge=end, **given.rejected)
    if not given.references.lines:
        return replace(blank, edge=end)
    lo, hi = bounds(curve, given.references)
    blank = replace(blank, basis=" and ".join(given.references.names))
    if lo <= curve.low and hi >= curve.high and not end:
        return replace(blank, **Why.UNBOUNDED.because(at=math.exp(turning), range=range_))
    if given.flat > NO_EFFECT:
        return replace(blank, edge=end, **Why.NO_EFFECT.because(p=given.flat))
    if end:
        return _at_end(curve, end, (lo, hi), given, blank)
    return _inside(curve, turning, (lo, hi), given, blank)


def bounds(curve: FittedCurve, references: ReferenceCurves) -> Pair:
    """Return the hull of the intervals of the reference curves and of the minimum of the curve itself."""
    pieces = [reference.interval for reference in references.lines]
    turning = curve.lowest
    return min(turning, *(lo for lo, _ in pieces)), max(turning, *(hi for _, hi in pieces))


def _at_end(curve: FittedCurve, end: str, interval: Pair, given: OptimumInputs, blank: Optimum) -> Optimum:
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


def _inside(curve: FittedCurve, turning: float, interval: Pair, given: OptimumInputs, blank: Optimum) -> Optimum:
    """Return the optimum of a curve that is lowest between the ends of the range."""
    lo, hi = interval
    levels = [each.level for each in (curve, *given.references.lines)]
    found = replace(
        blank,
        status=Status.CONVERGED,
        value=math.exp(turning),
        lo=math.exp(lo) if lo > curve.low else None,
        hi=math.exp(hi) if hi < curve.high else None,
        loss=levels[0][0],
        # the hull of the references' intervals and the estimate, as for the place of the minimum
        loss_lo=min(levels[0][0], *(lo for _, lo, _ in levels[1:])),
        loss_hi=max(levels[0][0], *(hi for *_, hi in levels[1:])),
    )
    found = replace(found, **_bounded(found, curve, given))
    return found if given.margin is None else _with_region(found, curve, given.references, given.margin)


def _with_region(found: Optimum, curve: FittedCurve, references: ReferenceCurves, margin: float) -> Optimum:
    """Add the region {x : L(x) - L* <= margin} of the curve, and 95 % intervals of its two ends."""

    def rises(each: FittedCurve, end: float) -> ThresholdCrossing:
        floor = each.lowest
        return threshold_crossing(lambda x: each.above(x, floor), margin, floor, end, each.t)

    low, high = (
        widened(rises(curve, end).point, [rises(each, end) for each in references.lines], end)
        for end in (curve.low, curve.high)
    )
    region = _rate(low.point, curve.low), _rate(high.point, curve.high)
    low_end = _rate(low.surely, curve.low), _rate(low.first, curve.low)
    high_end = _rate(high.first, curve.high), _rate(high.surely, curve.high)
    return replace(found, region=region, region_ends=(low_end, high_end))


@dataclass(frozen=True, kw_only=True)
class ThresholdCrossing:
    """Where a height passes a threshold on the way from a minimum to an end of the range; that end if it never does."""

    first: float
    """The first x at which the 95 % interval of the height contains the threshold."""
    point: float
    """The x at which the height passes it."""
    surely: float
    """The x at which the whole interval has passed it."""


def threshold_crossing(height: Heights, threshold: float, floor: float, end: float, t: float) -> ThresholdCrossing:
    """Return where `height` passes `threshold` on the way from x = `floor` to x = `end`.

    `height` maps x to values and standard errors; the interval at each x is t standard errors wide on each side.
    """

    def passed(errors: float) -> float:
        def holds(x: Floats) -> NDArray[np.bool_]:
            value, error = height(x)
            return np.asarray(value - errors * error >= threshold)

        found = first(holds, floor, end)
        return end if math.isnan(found) else found

    return ThresholdCrossing(first=passed(-t), point=passed(0.0), surely=passed(t))


def widened(point: float, references: Sequence[ThresholdCrossing], end: float) -> ThresholdCrossing:
    """Return the hull of the references' intervals and of the curve's own `point`."""
    inner = [point, *(each.first for each in references)]
    outer = [point, *(each.surely for each in references)]

    def distance(x: float) -> float:
        return abs(x - end)

    return ThresholdCrossing(first=max(inner, key=distance), point=point, surely=min(outer, key=distance))


def _rate(x: float, end: float) -> float | None:
    return None if x == end else math.exp(x)


def _no_reference(given: OptimumInputs) -> Cause:
    more, tried = _more(given.of), given.references.tried
    if not tried:
        return Why.UNTESTED.because(more=more)
    curves = "neither a " + " nor a ".join(tried) + " fits" if len(tried) > 1 else f"a {tried[0]} does not fit"
    return Why.NO_CURVE_FITS.because(curves=curves, more=more)


def _bounded(found: Optimum, curve: FittedCurve, given: OptimumInputs) -> Cause:
    range_ = _range(curve, given.of)
    if found.lo is not None and found.hi is not None:
        return Why.INSIDE.because(range=range_)
    side = "below" if found.lo is None else "above"
    return Why.ONE_SIDED.because(range=range_, side=side, more=_more(given.of))


def _more(of: str) -> str:
    return "rates" if of == "r_a" else "values"


def _range(curve: FittedCurve, of: str) -> str:
    return f"the sampled {_more(of)} ({math.exp(curve.low):.3g} to {math.exp(curve.high):.3g})"
