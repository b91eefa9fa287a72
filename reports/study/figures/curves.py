"""How much the answer depends on the curve: the minimum of each curve fitted to the same runs."""

from typing import Any

from fits.result import Optimum, Sensitivity
from reports.page.figure import INK, SERIES, Axes, Figure, canvas_of, key, log_axis
from reports.page.number_text import counted, percent
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Series, heading

ROW = 0.55
"""Inches per series."""


def draw(evidence: Evidence, axes: Axes) -> None:
    """Draw one row for each series: the interval of the answer, and below it that of each curve."""
    groups = several_curves(evidence)
    canvas = canvas_of(axes)
    canvas.set_size_inches(canvas.get_size_inches()[0], 1.6 + ROW * len(groups))
    ends = []
    for row, group in enumerate(groups):
        result = group.curve
        sampled = result.domain["r_a"]
        ends += list(sampled)
        if result.optimum is not None:
            _interval(
                result.optimum, row - 0.25, sampled, axes, color=INK, marker="*", markersize=9, label="the answer"
            )
        for at, each in enumerate(result.sensitivity):
            mark = SERIES[at % len(SERIES)]
            style: dict[str, Any] = {"color": mark.color, "marker": mark.marker, "markersize": 5, "label": each.law}
            _interval(each, row + 0.17 * at - 0.05, sampled, axes, **style)
    axes.set_yticks(range(len(groups)), [heading(group, groups) for group in groups])
    axes.set_ylim(len(groups) - 0.4, -0.6)
    log_axis(axes, "x", ends, percent, room=1.1)
    axes.set_xlabel("activation rate of the lowest fitted loss")
    key([axes], columns=4)


def several_curves(evidence: Evidence) -> list[Series]:
    """Return the series to which several curves with a minimum were fitted."""
    return [one for one in evidence.series if one.fit and sum(e.value is not None for e in one.fit.sensitivity) > 1]


def _interval(
    each: Optimum | Sensitivity, y: float, sampled: tuple[float, ...], axes: Axes, *, label: str, **style: Any
) -> None:
    """Draw an estimate with its interval; an open end is an arrow at the end of the sampled rates."""
    if each.value is None:
        return
    low, high = each.lo or sampled[0], each.hi or sampled[1]
    axes.plot([low, high], [y, y], color=style["color"], linewidth=1.6, zorder=2)
    for end, marker in ((low, "<" if each.lo is None else "|"), (high, ">" if each.hi is None else "|")):
        axes.plot([end], [y], color=style["color"], marker=marker, markersize=5, markeredgewidth=1.3, zorder=2)
    axes.plot([each.value], [y], linestyle="none", markeredgecolor="white", zorder=3, label=label, gid=label, **style)


def has_data(evidence: Evidence) -> bool:
    """Return whether two curves or more were fitted to the same runs."""
    return bool(several_curves(evidence))


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, with n and source."""
    n = sum(group.curve.n for group in several_curves(evidence))
    whose = f"; the answer's interval assumes {evidence.interval_of}" if evidence.interval_of else ""
    return (
        "Rate of the lowest fitted loss with its 95 % interval, by curve, on the same runs (log axis). The interval "
        f"of a curve assumes that the curve is true{whose}. An arrow marks an end that the data "
        f"leave open. n = {counted(n, 'run')}, {evidence.source}."
    )


def alt(evidence: Evidence) -> str:
    """Return the figure in words."""
    said = []
    for group in several_curves(evidence):
        found = [f"{each.law} {percent(each.value)}" for each in group.curve.sensitivity if each.value]
        said.append(f"{group.heading}: {', '.join(found)}")
    return f"Activation rate of the lowest loss by curve. {'; '.join(said)}."


FIGURE = Figure(
    title="Dependence on the curve", section="Optimum", has_data=has_data, draw=draw, caption=caption, alt=alt
)
