"""Estimates as text: activation rates in per cent with one decimal, differences of losses with four decimals."""

from collections.abc import Iterable

from fits import Constancy, Optimum
from fits.result import Crossing, Sensitivity
from reports.page.number_text import signed

loss_difference = signed(4)
"""Write a difference of losses with its sign: 0.0051 -> `+0.0051`."""


def rate(value: float) -> str:
    """Write a rate with one decimal, so that the ends of intervals line up: `21.1 %`."""
    return f"{100 * value:.1f} %"


def joined(parts: Iterable[str]) -> str:
    """Write a list as a sentence does: `a`, `a and b`, `a, b and c`."""
    *head, last = parts
    return f"{', '.join(head)} and {last}" if head else last


def rate_estimate(found: Constancy | Crossing | Optimum | Sensitivity) -> str:
    """Write a rate with its 95 % interval: `21.1 % (18.7 to 24.6 %)`; an open end is named."""
    return f"{'none' if found.value is None else rate(found.value)} ({rate_range(found.lo, found.hi)})"


def rate_range(lo: float | None, hi: float | None) -> str:
    """Write the two ends of a range of rates: `18.7 to 24.6 %`, `above 18.7 %`, `below 24.6 %` or `no bound`."""
    if lo is None and hi is None:
        return "no bound"
    if lo is None or hi is None:
        return f"below {rate(hi or 0)}" if lo is None else f"above {rate(lo)}"
    return f"{100 * lo:.1f} to {rate(hi)}"


def loss_estimate(estimate: tuple[float, float] | None) -> str:
    """Write a difference of losses, given with half of its 95 % interval: `+0.0051 (+0.0018 to +0.0084)`."""
    if estimate is None:
        return "not known"
    value, half = estimate
    return f"{loss_difference(value)} ({loss_difference(value - half)} to {loss_difference(value + half)})"


def p_value(p: float | None) -> str:
    """Write a probability: `p = 0.57`, `p < 0.001`; null is `not tested`."""
    if p is None:
        return "not tested"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
