"""Estimates in words, one way for every reproduced paper: rates in per cent, losses with four decimals."""

from collections.abc import Iterable


def one(value: float) -> str:
    """Write a rate with one decimal: `21.1 %`, so that ends of intervals line up."""
    return f"{100 * value:.1f} %"


def joined(parts: Iterable[str]) -> str:
    """Write a list as a sentence does: `a`, `a and b`, `a, b and c`."""
    *head, last = parts
    return f"{', '.join(head)} and {last}" if head else last


def rate(value: float | None, lo: float | None, hi: float | None) -> str:
    """Write a rate with its 95 % interval: `21.1 % (18.7 to 24.6 %)`; an open end is said."""
    return f"{'none' if value is None else one(value)} ({between(lo, hi)})"


def between(lo: float | None, hi: float | None) -> str:
    """Write the two ends of a range of rates: `18.7 to 24.6 %`, `above 18.7 %`, `below 24.6 %` or `no bound`."""
    if lo is None and hi is None:
        return "no bound"
    if lo is None or hi is None:
        return f"below {one(hi or 0)}" if lo is None else f"above {one(lo)}"
    return f"{100 * lo:.1f} to {one(hi)}"


def signed(value: float) -> str:
    """Write a difference of losses with its sign: 0.0051 -> `+0.0051`; a minus is a minus and no hyphen."""
    return f"{value:+.4f}".replace("-", "−")


def around(estimate: tuple[float, float] | None) -> str:
    """Write a difference with its 95 % interval, given as its half: `+0.0051 (+0.0018 to +0.0084)`."""
    if estimate is None:
        return "not known"
    value, half = estimate
    return f"{signed(value)} ({signed(value - half)} to {signed(value + half)})"


def probability(p: float) -> str:
    """Write a probability: `p = 0.57`, `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"
