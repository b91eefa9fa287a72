"""arXiv 2506.12119: where the loss is lowest, by set of runs and by the curve that is fitted to it."""

from typing import TYPE_CHECKING

from reports.page.figure import INK, REGION, SERIES, Figure
from reports.page.scales import log_axis
from reports.papers.words import probability, rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fits.result import Sensitivity
    from reports.papers.li2025.study import Li2025, Series

CURVES = ("cubic", "spline", "quadratic")
GAP = 0.22
"""Distance of the curves of one set, in rows."""
SAMPLED = (0.12, 0.36)
"""Rates shown."""


def draw(paper: "Li2025", axes: "Axes") -> None:
    """Draw one row for each set and one interval for each curve; a curve that the runs reject is open and thin."""
    common = paper.one_optimum["all runs"]
    axes.axvspan(common.lo or SAMPLED[0], common.hi or SAMPLED[1], color=REGION, alpha=0.6, linewidth=0, zorder=0)
    axes.axvline(0.2, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for row, series in enumerate(paper.series.values()):
        for at, name in enumerate(CURVES):
            _interval(series.curve(name), at, row + GAP * (at - 1), axes, label=not row)
    log_axis(axes, "x", SAMPLED, lambda tick: f"{100 * tick:g} %", room=1.0)
    axes.set_yticks(range(len(paper.series)), [_name(series) for series in paper.series.values()])
    axes.set_ylim(len(paper.series) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("activation rate of the minimum")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, handlelength=1.6)


def _interval(found: "Sensitivity", at: int, height: float, axes: "Axes", *, label: bool) -> None:
    mark, rejected = SERIES[at], found.misfit is not None and found.misfit < 0.05
    if found.value is None:
        return
    ends = [found.lo or SAMPLED[0], found.hi or SAMPLED[1]]
    axes.plot(ends, [height] * 2, color=mark.color, linewidth=0.8 if rejected else 1.8, zorder=3)
    for end, known, arrow in zip(ends, (found.lo, found.hi), "<>", strict=True):
        if known is None:
            axes.plot([end], [height], marker=arrow, color=mark.color, markersize=5, clip_on=False)
    axes.plot(
        [found.value], [height], linestyle="none", marker=mark.marker, color=mark.color, markersize=5.5, zorder=4,
        markerfacecolor="white" if rejected else mark.color, gid=f"{found.law} {height:.2f}",
    )  # fmt: skip
    if label:
        axes.plot([], [], color=mark.color, marker=mark.marker, markersize=5.5, label=found.law)


def _name(series: "Series") -> str:
    return f"{series.name}\nn = {len(series.runs)}"


def caption(paper: "Li2025") -> str:
    """Return what the figure shows."""
    common = paper.one_optimum["all runs"]
    return (
        "Minimum of three curves in ln r_a for each set of runs, with the 95 % interval that assumes the shape of "
        "that curve and independent normal scatter about it. Open: the runs reject the curve (p < .05). Fine: "
        "without the runs with 8 large experts. Shaded: were there one minimum for 2B, 3B (65B tokens) and 7B, "
        f"{rate(common.value, common.lo, common.hi)}, {probability(common.p)}. Dashed: the 20 % of the paper. One "
        "seed."
    )


def alt(paper: "Li2025") -> str:
    """Return the figure in words."""
    rows = []
    for series in paper.series.values():
        curves = [series.curve(name) for name in CURVES]
        rows.append(f"{series.name}: " + ", ".join(f"{c.law} {rate(c.value, c.lo, c.hi)}" for c in curves))
    return f"Rate of the lowest loss by set of runs and curve. {'; '.join(rows)}."


FIGURE = Figure(
    title="Where the loss is lowest, by curve", of="li2025", has_data=lambda paper: bool(paper.runs), draw=draw,
    caption=caption, alt=alt, size=(5.0, 5.6),
)  # fmt: skip
