"""Numbers of the runs by arm: a row for each arm, a column for each quantity, a dot for each run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.record import RunRecord
from reports.page.figure import EDGE, INK, REGION, SERIES, Axes, key, panels, points
from reports.page.labels import shortened
from reports.page.number_text import flops
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Arm

ROW = 0.2
"""Inches per arm."""
SPREAD = 0.5
"""Share of a row over which the dots of several budgets are spread."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One column of such a figure."""

    head: str
    """Name and unit, written above the column."""
    value: Callable[[RunRecord], float | None]
    """Returns the number of a run; None where the run does not have it."""
    write: Callable[[float], str] | None = None
    """Writes the ticks."""
    within: tuple[float, float] | None = None
    """Range of good values, which is shaded."""
    from_zero: bool = False
    """Whether the axis starts at zero."""


def draw_dots(arms: Sequence[Arm], quantities: Sequence[Quantity], axes: Axes) -> None:
    """Draw the finished runs of `arms`, the first arm on top; quantities that no run has are left out."""
    shown = [q for q in quantities if any(q.value(record) is not None for arm in arms for record in arm.done)]
    names = list(dict.fromkeys(arm.name for arm in arms))
    budgets = sorted({arm.budget for arm in arms})
    cut = panels(axes, len(shown), columns=len(shown), height=len(names) * ROW, sharey=True)
    for quantity, panel in zip(shown, cut, strict=True):
        _column(arms, names, budgets, quantity, panel)
    cut[0].set_yticks(range(len(names)), shortened(names, 26))
    cut[0].set_ylim(len(names) - 0.5, -0.5)
    if len(budgets) > 1:
        key(cut, columns=4)


def _column(arms: Sequence[Arm], names: list[str], budgets: list[float], quantity: Quantity, axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.set_title(quantity.head, fontsize=8.5, loc="center")
    axes.xaxis.set_major_locator(MaxNLocator(2 if quantity.write else 3, steps=[1, 2, 5, 10]))
    if quantity.write is not None:
        write = quantity.write
        axes.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: write(tick)))
    if quantity.within is not None:
        low, high = quantity.within
        axes.axvspan(low, high, facecolor=REGION, edgecolor=EDGE, linewidth=0.8, zorder=0, gid="within")
    for at, C in enumerate(budgets):
        mark = SERIES[at % len(SERIES)]
        dodge = SPREAD * ((at + 0.5) / len(budgets) - 0.5)
        records = [(names.index(arm.name) + dodge, record) for arm in arms if arm.budget == C for record in arm.done]
        found = [(value, row) for row, record in records if (value := quantity.value(record)) is not None]
        x, y = [value for value, _ in found], [row for _, row in found]
        gid, color = f"{quantity.head} at C {flops(C)}", mark.color if len(budgets) > 1 else INK
        style: dict[str, Any] = {"color": color, "markeredgewidth": 1, "label": f"C {flops(C)}", "gid": gid}
        points(axes, x, y, mark, 4.2, hollow=True, **style)
    axes.margins(x=0.12)
    if quantity.from_zero:
        axes.set_xlim(left=0)


def arms_of(evidence: Evidence) -> list[Arm]:
    """Return the arms with finished runs, dense ones first, then by rate."""
    done = [arm for arm in evidence.arms if arm.done]
    return sorted(done, key=lambda arm: (not arm.is_dense, not arm.is_compared, arm.spec.r_a))
