"""Numbers of the runs arm by arm: one row an arm, one column a quantity, one dot a run, budgets by marker."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.record import RunRecord
from reports.page.figure import EDGE, INK, REGION, SERIES, key, panels
from reports.page.labels import shortened
from reports.page.number_text import flops
from reports.study.arms import Arm
from reports.study.evidence import Evidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW = 0.2
"""Inches from one arm to the next."""
SPREAD = 0.5
"""Share of a row over which the dots of several budgets are spread."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A column."""

    head: str
    """Name and unit, above it."""
    value: Callable[[RunRecord], float | None]
    """The number of a run; None where it has none."""
    write: Callable[[float], str] | None = None
    """How its ticks are written."""
    within: tuple[float, float] | None = None
    """Values that are as they should be, shaded."""
    from_zero: bool = False
    """Whether the axis starts at zero, as where lengths are compared."""


def draw_rows(arms: Sequence[Arm], quantities: Sequence[Quantity], axes: "Axes") -> None:
    """Draw the finished runs of `arms`, in their order from above, by those quantities that any run has."""
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


def _column(arms: Sequence[Arm], names: list[str], budgets: list[float], quantity: Quantity, axes: "Axes") -> None:
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
        found = [
            (value, names.index(arm.name) + dodge)
            for arm in arms if arm.budget == C
            for record in arm.done if (value := quantity.value(record)) is not None
        ]  # fmt: skip
        axes.plot(
            [value for value, _ in found], [row for _, row in found], linestyle="none", marker=mark.marker,
            color=mark.color if len(budgets) > 1 else INK, markerfacecolor="white", markersize=4.2,
            markeredgewidth=1, label=f"C {flops(C)}", gid=f"{quantity.head} at C {flops(C)}",
        )  # fmt: skip
    axes.margins(x=0.12)
    if quantity.from_zero:
        axes.set_xlim(left=0)


def arms_of(evidence: Evidence) -> list[Arm]:
    """Return the arms with finished runs, dense ones first, then by rate."""
    done = [arm for arm in evidence.arms if arm.done]
    return sorted(done, key=lambda arm: (not arm.is_dense, not arm.is_compared, arm.spec.r_a))
