"""Where a fitted curve is lowest, with everything that can go wrong said.

The estimate is the law's. The interval is that of reference curves (`fits.curve.reference_curves`), wider than most
laws, and is widened to hold the estimate. It assumes the shape of that reference: where the law is the reference, its
own. A number is given only where the references bound it from at least one side within the sampled range.
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

Pair = tuple[float, float]
Heights = Callable[[Floats], tuple[Floats, Floats]]


@dataclass(frozen=True, kw_only=True, eq=False)
class OptimumInputs:
    """What the search for an optimum is given beside the law's curve."""

    references: ReferenceCurves
    """The curves that the interval rests on."""
    measured: float
    """The x whose measured mean loss is lowest."""
    rejected: str | None
    """Why the law's curve says nothing of an optimum; null where it may."""
    flat: float
    """Probability of so large an effect of x where there is none."""
    margin: float | None
    """Loss that counts as no difference, nats per token."""
    of: str = "r_a"
    """The column whose logarithm is x."""


FLAT = 0.05
"""Probability above which no effect of x is shown, so that no optimum is sought."""


def unknown_optimum(reason: str, margin: float | None, of: str = "r_a") -> Optimum:
    """Return the optimum of runs that do not determine one."""
    return Optimum(
        of=of,
        value=None,
        lo=None,
        hi=None,
        region=None,
        margin=margin,
        edge=None,
        status="not_identified",
        reason=reason,
    )


def minimum(line: FittedCurve, setting: OptimumInputs) -> Optimum:
    """Return where `line` is lowest in the sampled range, with its 95 % interval and the region within the margin."""
    blank, range_ = unknown_optimum("", setting.margin, setting.of), _range(line, setting.of)
    turning = line.lowest
    end = {line.low: "low", line.high: "high"}.get(turning)
    if not line.bends_upwards:
        reason = f"the fitted curve does not bend upwards; add {_more(setting.of)} beyond the {end} end, or seeds"
        return replace(blank, status="no_minimum", edge=end, reason=reason)
    if setting.rejected:
        return replace(blank, edge=end, reason=setting.rejected)
    if not setting.references.lines:
        return replace(blank, edge=end, reason=_unjudged(setting))
    lo, hi = bounds(line, setting.references)
    blank = replace(blank, basis=" and ".join(setting.references.names))
    if lo <= line.low and hi >= line.high and not end:
        reason = f"the fitted minimum near {math.exp(turning):.3g} has no bound within {range_}; add seeds"
        return replace(blank, reason=reason)
    if setting.flat > FLAT:
        reason = f"the losses differ no more than noise would have them (p = {setting.flat:.2g}); add seeds"
        return replace(blank, edge=end, reason=reason)
    if end:
        return _beyond(line, end, (lo, hi), setting, blank)
    return _inside(line, turning, (lo, hi), setting, blank)


def bounds(line: FittedCurve, references: ReferenceCurves) -> Pair:
    """Return the hull of the references' intervals and of the law's own minimum."""
    pieces = [reference.interval for reference in references.lines]
    turning = line.lowest
    return min(turning, *(lo for lo, _ in pieces)), max(turning, *(hi for _, hi in pieces))


def _beyond(line: FittedCurve, end: str, piece: Pair, setting: OptimumInputs, blank: Optimum) -> Optimum:
    """Return the optimum of a curve that is lowest at an end of the sampled range: a bound on one side, no number."""
    lo, hi = piece
    range_, more = _range(line, setting.of), _more(setting.of)
    side = "below" if end == "low" else "above"
    if lo <= line.low and hi >= line.high:
        reason = f"the fitted minimum lies {side} {range_} and its interval spans them all; add {more} or seeds"
        return replace(blank, edge=end, reason=reason)
    if not math.isclose(setting.measured, line.low if end == "low" else line.high, abs_tol=1e-5):
        reason = (
            f"the fitted loss still falls at the {end} end of {range_}, but the lowest measured mean is at "
            f"{math.exp(setting.measured):.3g}: curve and means disagree; add seeds, or {more} {side} them"
        )
        return replace(blank, edge=end, reason=reason)
    return replace(
        blank,
        status="edge",
        edge=end,
        lo=math.exp(lo) if end == "high" else None,
        hi=math.exp(hi) if end == "low" else None,
        reason=f"the fitted loss still falls at the {end} end of {range_}; add {more} {side} it",
    )


def _inside(line: FittedCurve, turning: float, piece: Pair, setting: OptimumInputs, blank: Optimum) -> Optimum:
    """Return the optimum of a curve that is lowest between the ends."""
    lo, hi = piece
    levels = [each.level for each in (line, *setting.references.lines)]
    found = replace(
        blank,
        status="converged",
        value=math.exp(turning),
        lo=math.exp(lo) if lo > line.low else None,
        hi=math.exp(hi) if hi < line.high else None,
        loss=levels[0][0],
        loss_lo=min(levels[0][0], *(lo for _, lo, _ in levels[1:])),
        loss_hi=max(levels[0][0], *(hi for *_, hi in levels[1:])),
    )
    found = replace(found, reason=_open_end(found, line, setting))
    return found if setting.margin is None else _with_region(found, line, setting.references, setting.margin)


def _with_region(found: Optimum, line: FittedCurve, references: ReferenceCurves, margin: float) -> Optimum:
    """Add {x : L(x) - L* <= margin} of the law, and 95 % intervals of its two ends."""

    def passing(each: FittedCurve, end: float) -> ThresholdCrossing:
        floor = each.lowest
        return threshold_crossing(lambda x: each.above(x, floor), margin, floor, end, each.t)

    low, high = (
        widened(passing(line, end).point, [passing(each, end) for each in references.lines], end)
        for end in (line.low, line.high)
    )
    region = _rate(low.point, line.low), _rate(high.point, line.high)
    low_end = _rate(low.surely, line.low), _rate(low.first, line.low)
    high_end = _rate(high.first, line.high), _rate(high.surely, line.high)
    return replace(found, region=region, region_ends=(low_end, high_end))


@dataclass(frozen=True, kw_only=True)
class ThresholdCrossing:
    """Where, going from a minimum to an end of the range, a height passes a threshold; the end where it never does."""

    first: float
    """Where it may first have passed: its 95 % interval reaches the threshold."""
    point: float
    """Where it passes."""
    surely: float
    """Where the interval has passed."""


def threshold_crossing(height: Heights, threshold: float, floor: float, end: float, t: float) -> ThresholdCrossing:
    """Return where `height`, which gives values and standard errors, passes `threshold` on the way from `floor`."""

    def passed(errors: float) -> float:
        def holds(x: Floats) -> NDArray[np.bool_]:
            value, error = height(x)
            return np.asarray(value - errors * error >= threshold)

        found = first(holds, floor, end)
        return end if math.isnan(found) else found

    return ThresholdCrossing(first=passed(-t), point=passed(0.0), surely=passed(t))


def widened(point: float, references: Sequence[ThresholdCrossing], end: float) -> ThresholdCrossing:
    """Return the hull of the references' intervals and of the law's own `point`."""
    inner = [point, *(each.first for each in references)]
    outer = [point, *(each.surely for each in references)]

    def distance(x: float) -> float:
        return abs(x - end)

    return ThresholdCrossing(first=max(inner, key=distance), point=point, surely=min(outer, key=distance))


def _rate(x: float, end: float) -> float | None:
    return None if x == end else math.exp(x)


def _unjudged(setting: OptimumInputs) -> str:
    if setting.references.tried:
        tried = " nor ".join(setting.references.tried)
        return f"the means are on no {tried}; look at the runs, and add {_more(setting.of)}"
    more = _more(setting.of)
    return f"no cubic can be fitted beside it, so its shape is assumed and not tested; add {more} (5 or more) or seeds"


def _open_end(found: Optimum, line: FittedCurve, setting: OptimumInputs) -> str:
    range_ = _range(line, setting.of)
    if found.lo is None or found.hi is None:
        side, more = "below" if found.lo is None else "above", _more(setting.of)
        return f"the minimum lies within {range_}, but the data do not bound it from {side}; add {more} or seeds"
    return f"the minimum and its interval lie within {range_}"


def _more(of: str) -> str:
    return "rates" if of == "r_a" else "values"


def _range(line: FittedCurve, of: str) -> str:
    return f"the sampled {_more(of)} ({math.exp(line.low):.3g} to {math.exp(line.high):.3g})"
