"""The activation rate at which a fitted parabola in x = ln r_a is lowest, with everything that can go wrong said.

A number is given only where the curve's bend is told from none (Fieller's set is one bounded piece), the minimum lies
between sampled rates, and at least one side of its interval does too.
"""

import math
from dataclasses import dataclass, replace

from fits.intervals import fieller, t_quantile
from fits.result import Ends, Optimum


@dataclass(frozen=True, kw_only=True)
class Parabola:
    """What the minimum is computed from."""

    slope: float
    """b of a + b x + c x^2, x = ln r_a."""
    curvature: float
    """c."""
    covariance: tuple[tuple[float, float], tuple[float, float]]
    """Covariance of (b, c)."""
    dof: int
    """Degrees of freedom of that covariance, at least 1."""
    low: float
    """Smallest sampled x."""
    high: float
    """Largest sampled x."""
    flat: float = 0.0
    """Curvature that rounding alone can produce."""
    measured: float | None = None
    """The x whose measured mean loss is lowest; null where there are no means to hold the curve against."""


def unknown_optimum(reason: str, margin: float | None) -> Optimum:
    """Return the optimum of runs that do not determine one."""
    return Optimum(
        of="r_a",
        value=None,
        lo=None,
        hi=None,
        region=None,
        margin=margin,
        edge=None,
        status="not_identified",
        reason=reason,
    )


def minimum(curve: Parabola, margin: float | None) -> Optimum:
    """Return the minimum of `curve` with its 95 % Fieller interval, and the region within `margin` nats of it."""
    blank = unknown_optimum("", margin)
    if curve.curvature <= curve.flat:
        end = "low" if _loss(curve, curve.low) < _loss(curve, curve.high) else "high"
        reason = f"the fitted curve does not bend upwards; add rates beyond the {end} end, or seeds"
        return replace(blank, status="no_minimum", edge=end, reason=reason)
    turning = -curve.slope / (2 * curve.curvature)
    interval, bends = _interval(curve, turning)
    if not curve.low <= turning <= curve.high:
        return _beyond(curve, turning, interval, blank)
    lo, hi = _sampled(interval, curve)
    if lo is None and hi is None:
        reason = f"the fitted minimum near {math.exp(turning):.3g} has no bound within {_range(curve)}; add seeds"
        return replace(blank, reason=reason)
    if not bends:
        reason = f"the fitted curve is lowest near {math.exp(turning):.3g}, but its bend cannot be told from none"
        return replace(blank, lo=lo, hi=hi, reason=f"{reason}; add seeds or rates")
    return replace(
        blank,
        value=math.exp(turning),
        lo=lo,
        hi=hi,
        region=_region(curve, turning, margin),
        status="converged",
        reason=_open_end(lo, hi, curve),
    )


def _interval(curve: Parabola, turning: float) -> tuple[tuple[float, float], bool]:
    """Return the piece of Fieller's set that holds the turning point, and whether the curvature is told from zero.

    Where the set is two half lines, the other one holds maxima: under "the slope is zero at x" the curvature is
    estimated with opposite signs on the two, and with the sign of c on the piece that holds -b / 2c.
    """
    pieces = fieller(curve.slope, curve.curvature, curve.covariance, t_quantile(curve.dof))
    bounded = len(pieces) == 1 and all(map(math.isfinite, pieces[0]))
    return next(((lo, hi) for lo, hi in pieces if lo <= turning <= hi), (turning, turning)), bounded


def _beyond(curve: Parabola, turning: float, interval: tuple[float, float], blank: Optimum) -> Optimum:
    """Return the optimum of a curve that is lowest at an end of the sampled range: a bound on one side, no number."""
    end = "low" if turning < curve.low else "high"
    below = end == "low"
    # A bound is never claimed beyond the sampled range: an interval wholly outside says "beyond the last rate".
    bound = max(interval[1], curve.low) if below else min(interval[0], curve.high)
    side = "below" if below else "above"
    if not curve.low <= bound <= curve.high:
        reason = f"the fitted minimum lies {side} {_range(curve)} and its interval spans them all; add rates or seeds"
        return replace(blank, edge=end, reason=reason)
    if curve.measured is not None and not math.isclose(
        curve.measured, curve.low if below else curve.high, abs_tol=1e-5
    ):
        reason = (
            f"the fitted loss still falls at the {end} end of {_range(curve)}, but the lowest measured mean is at "
            f"{math.exp(curve.measured):.3g}: curve and means disagree; add seeds, or rates {side} them"
        )
        return replace(blank, edge=end, reason=reason)
    limit = math.exp(bound)
    return replace(
        blank,
        status="edge",
        edge=end,
        lo=None if below else limit,
        hi=limit if below else None,
        reason=f"the fitted loss still falls at the {end} end of {_range(curve)}; add rates {side} it",
    )


def _sampled(interval: tuple[float, float], curve: Parabola) -> Ends:
    """Return the interval as rates; an end beyond the sampled ones is open."""
    lo, hi = interval
    return (math.exp(lo) if lo >= curve.low else None, math.exp(hi) if hi <= curve.high else None)


def _region(curve: Parabola, turning: float, margin: float | None) -> Ends | None:
    """Return {r_a : L(r_a) - L* <= margin}: on a parabola c (x - x*)^2 <= margin."""
    if margin is None:
        return None
    half = math.sqrt(margin / curve.curvature)
    return _sampled((turning - half, turning + half), curve)


def _open_end(lo: float | None, hi: float | None, curve: Parabola) -> str:
    if lo is None or hi is None:
        side = "below" if lo is None else "above"
        return f"the minimum lies within {_range(curve)}, but the data do not bound it from {side}; add rates or seeds"
    return f"the minimum and its interval lie within {_range(curve)}"


def _loss(curve: Parabola, x: float) -> float:
    return curve.slope * x + curve.curvature * x * x


def _range(curve: Parabola) -> str:
    return f"the sampled rates ({math.exp(curve.low):.3g} to {math.exp(curve.high):.3g})"
