"""Logarithmic axes as the field writes them: few round ticks, written as 10 %, 1e12 or 100M."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from reports.page.figure import Axes, Axis

STEPS = (
    (1.0,),
    (1.0, 2.0, 5.0),
    (1.0, 1.5, 2.0, 3.0, 5.0, 7.0),
    (1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0),
)
"""Ticks of a decade, the sparsest set first."""
FEWEST = 3
"""A logarithmic axis has at least this many ticks where a denser set can give them."""


def log_ticks(low: float, high: float) -> list[float]:
    """Return round ticks from `low` to `high`: the sparsest set of STEPS that has FEWEST, else the densest.

    >>> log_ticks(0.08, 1.2)
    [0.1, 0.2, 0.5, 1.0]
    """
    ticks: list[float] = []
    for steps in STEPS:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [tick for d in decades for step in steps if low <= (tick := float(f"{step}e{d}")) <= high]
        if len(ticks) >= FEWEST:
            break
    return ticks


def log_axis(
    axes: Axes,
    which: Literal["x", "y"],
    values: Iterable[float],
    write: Callable[[float], str],
    *,
    room: float = 1.3,
    last: float = math.inf,
) -> None:
    """Make axis `which` logarithmic, from the lowest of `values` over `room` to the highest times `room`.

    `write` writes its ticks; no tick is beyond `last`.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    numbers = list(values)
    low, high = min(numbers) / room, max(numbers) * room
    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set(**{f"{which}scale": "log", f"{which}lim": (low, high)})
    axis.set_major_locator(FixedLocator(log_ticks(low, min(high, last))))
    axis.set_major_formatter(FuncFormatter(lambda tick, _: write(tick)))
    axis.set_minor_locator(NullLocator())


def log_scale(axis: Axis, write: Callable[[float], str], ticks: Sequence[float] | None = None) -> None:
    """Make `axis` logarithmic within its present limits; `ticks` replace those of the decades."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    axes = axis.axes
    (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log")
    axis.set_major_formatter(FuncFormatter(lambda tick, _: write(tick)))
    axis.set_minor_formatter(NullFormatter())
    if ticks is not None:
        axis.set_major_locator(FixedLocator(list(ticks)))
        axis.set_minor_locator(NullLocator())
