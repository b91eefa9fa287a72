"""arXiv 2506.12119: where the loss is lowest, by set of runs and by the curve that is fitted to it."""

from typing import Any

from fits.intervals import TEST_LEVEL
from fits.result import Sensitivity
from reports.page.figure import INK, REGION, SERIES, Axes, Figure, log_axis
from reports.papers.estimate_text import p_value, rate_estimate
from reports.papers.figure_parts import label_axes
from reports.papers.li2025.claims import SAID
from reports.papers.li2025.headings import MINIMA
from reports.papers.li2025.study import Li2025

CURVES = ("cubic", "spline", "quadratic")
GAP = 0.22
"""Distance between the curves of one set, in rows."""
SHOWN = (0.12, 0.36)
"""Rates that the axis spans."""


def draw(paper: Li2025, axes: Axes) -> None:
    """Draw one row for each set and one interval for each curve; a curve that the runs reject is open and thin."""
    common = paper.one_optimum["all runs"]
    axes.axvspan(common.lo or SHOWN[0], common.hi or SHOWN[1], color=REGION, alpha=0.6, linewidth=0, zorder=0)
    axes.axvline(SAID, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for row, series in enumerate(paper.series.values()):
        for at, name in enumerate(CURVES):
            _interval(series.curve(name), at, row + GAP * (at - 1), axes)
    log_axis(axes, "x", SHOWN, lambda tick: f"{100 * tick:g} %", room=1.0)
    names = [f"{series.name}\nn = {len(series.runs)}" for series in paper.series.values()]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    corner: dict[str, Any] = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0)}
    label_axes(axes, "activation rate of the minimum", columns=3, handlelength=1.6, **corner)


def _interval(found: Sensitivity, at: int, height: float, axes: Axes) -> None:
    if found.value is None:
        return
    mark, rejected = SERIES[at], found.misfit is not None and found.misfit < TEST_LEVEL
    dot: dict[str, Any] = {"marker": mark.marker, "markersize": 5.5, "color": mark.color}
    ends = [found.lo or SHOWN[0], found.hi or SHOWN[1]]
    axes.plot(ends, [height] * 2, color=mark.color, linewidth=0.8 if rejected else 1.8, zorder=3)
    for end, known, arrow in zip(ends, (found.lo, found.hi), "<>", strict=True):
        if known is None:
            axes.plot([end], [height], marker=arrow, color=mark.color, markersize=5, clip_on=False)
    face, gid = "white" if rejected else mark.color, f"{found.law} {height:.2f}"
    axes.plot([found.value], [height], linestyle="none", zorder=4, markerfacecolor=face, gid=gid, **dot)
    axes.plot([], [], label=found.law, **dot)


def caption(paper: Li2025) -> str:
    """Return what the figure shows."""
    common = paper.one_optimum["all runs"]
    return (
        "Minimum of three curves in ln r_a for each set of runs, with the 95 % interval that assumes the shape of "
        f"that curve and independent normal scatter about it. Open: the runs reject the curve (p < {TEST_LEVEL:g}). "
        "Fine: without the runs with 8 large experts. Shaded: the minimum if 2B, 3B (65B tokens) and 7B share one, "
        f"{rate_estimate(common)}, {p_value(common.p)}. Dashed: the {100 * SAID:g} % of "
        "the paper. One seed."
    )


def alt(paper: Li2025) -> str:
    """Return the figure in words."""
    rows = []
    for series in paper.series.values():
        curves = [series.curve(name) for name in CURVES]
        rows.append(f"{series.name}: " + ", ".join(f"{c.law} {rate_estimate(c)}" for c in curves))
    return f"Rate of the lowest loss by set of runs and curve. {'; '.join(rows)}."


FIGURE = Figure(
    title="Where the loss is lowest, by curve", section=MINIMA, draw=draw, caption=caption, alt=alt, size=(5.0, 5.6)
)
