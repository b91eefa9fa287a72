"""arXiv 2506.12119, loss against activation rate: its Figs 1b, 2b and 5 refitted, all three sizes, and all minima.

Markers are the published numbers, open where the experts are coarse; curve, band and minimum are the refit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fits import curve
from fits.intervals import TEST_LEVEL
from fits.result import Sensitivity
from fits.runs.table import Floats
from reports.page.figure import DENSE, INK, REGION, SERIES, Axes, Figure, Mark, log_axis, points
from reports.page.number_text import counted, flops, percent
from reports.papers.estimate_text import loss_estimate, p_value, rate_estimate
from reports.papers.figure_parts import label_axes
from reports.papers.li2025.claims import SAID
from reports.papers.li2025.study import MINIMA, REDRAWN, Li2025, RateSeries, is_coarse

POINTS = 200
FOOT, STEP = 0.045, 0.055
"""Heights at which the intervals of the minima are drawn, as shares of the axes."""
COMMON = (
    "Markers: published, one run each, open with 8 large experts instead of 78 or more small ones. Curves: cubics "
    "in ln r_a with the 95 % band of the mean. Star: minimum with its 95 % interval."
)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """The contents of one figure."""

    series: tuple[str, ...]
    """Series by name, in the order of their marks."""
    fine: bool = False
    """Whether the curve of the fine-grained runs alone is drawn too."""

    def chosen(self, paper: Li2025) -> list[RateSeries]:
        """Return the series."""
        return [paper.series[name] for name in self.series]


def draw_rates(paper: Li2025, axes: Axes, panel: Panel) -> None:
    """Draw series over their rates with the dense models of their size."""
    chosen = panel.chosen(paper)
    for row, (series, mark) in enumerate(zip(chosen, SERIES, strict=False)):
        _runs(series, mark, axes, label=_label(series))
        _curve(series, mark, axes)
        _minimum(series, mark, FOOT + STEP * (len(chosen) - 1 - row), axes)
        if panel.fine:
            _fine(paper.series[f"{series.name}, fine"], axes)
    for at, (run, line, budget) in enumerate(zip(chosen[0].dense, ("-", (0, (6, 3))), ("C", "2C"), strict=True)):
        style: dict[str, Any] = {"color": DENSE.color, "linewidth": 1.1, "linestyle": line, "zorder": 2}
        axes.axhline(run.bpc, label=f"dense, {budget} = {flops(run.C or 0)}", gid=f"dense {at}", **style)
    for series, mark in zip(chosen, SERIES, strict=False):
        _crossings(series, mark, axes)
    _frame(chosen, axes, "bits per character")


def draw_gap(paper: Li2025, axes: Axes) -> None:
    """Draw the three sizes less the dense model of equal C."""
    for row, ((scale, series), mark) in enumerate(zip(paper.main.items(), SERIES, strict=False)):
        zero, fresh = series.dense[0].bpc, "" if series.fresh else f", {series.repeated_tokens} tokens repeated"
        _runs(series, mark, axes, label=f"MoE {scale}{fresh}", zero=zero)
        _curve(series, mark, axes, zero=zero)
        _minimum(series, mark, FOOT + STEP * (2 - row), axes)
        twice = series.dense[1].bpc - zero
        axes.plot([0.62, 0.72], [twice] * 2, color=mark.color, linewidth=2, marker=mark.marker, markersize=5)
    axes.axhline(0, color=DENSE.color, linewidth=1.2, zorder=2)
    for text, place in (("dense, equal N and C", (0.22, 0.0)), ("dense, 2C", (0.67, -0.0105))):
        axes.annotate(text, place, xytext=(0, 4), textcoords="offset points", fontsize=8, ha="center")
    _frame(list(paper.main.values()), axes, "bits per character less dense at equal C", room=1.45)


def _runs(series: RateSeries, mark: Mark, axes: Axes, *, label: str, zero: float = 0.0) -> None:
    for coarse, name, shown in ((False, "fine", label), (True, "coarse", None)):
        runs = [run for run in series.runs if is_coarse(run) == coarse]
        x, y = [run.r_a for run in runs], [run.bpc - zero for run in runs]
        style: dict[str, Any] = {"markeredgewidth": 1.4, "label": shown, "gid": f"{name} {series.name}"}
        points(axes, x, y, mark, 6, hollow=coarse, zorder=5, **style)


def _curve(series: RateSeries, mark: Mark, axes: Axes, zero: float = 0.0) -> None:
    r_a, mean, low, high = fitted(series)
    axes.fill_between(r_a, low - zero, high - zero, color=mark.color, alpha=0.14, linewidth=0, zorder=1)
    axes.plot(r_a, mean - zero, color=mark.color, linewidth=1.5, linestyle=mark.line, gid=f"curve {series.name}")


def _fine(series: RateSeries, axes: Axes) -> None:
    r_a, mean, _, _ = fitted(series)
    style: dict[str, Any] = {"color": INK, "linewidth": 1, "linestyle": (0, (1, 1.6))}
    axes.plot(r_a, mean, label="small experts alone", gid=f"curve {series.name}", **style)


def fitted(series: RateSeries) -> tuple[Floats, Floats, Floats, Floats]:
    """Return rates, the curve there, and the ends of its 95 % band, each of shape (POINTS,)."""
    lowest, highest = series.fit.domain["r_a"]
    r_a = np.geomspace(lowest, highest, POINTS)
    mean, bottom, top = curve(series.fit, r_a)
    return r_a, mean, mean if bottom is None else bottom, mean if top is None else top


def _minimum(series: RateSeries, mark: Mark, height: float, axes: Axes) -> None:
    """Draw the minimum with its interval at `height`, a share of the axes; an open end is an arrow."""
    value, lo, hi = series.optimum.value, series.optimum.lo, series.optimum.hi
    if value is None:
        return
    ends = [end or edge for end, edge in zip((lo, hi), series.fit.domain["r_a"], strict=True)]
    foot: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "color": mark.color, "zorder": 6}
    axes.plot(ends, [height] * 2, linewidth=2, gid=f"interval {series.name}", **foot)
    for x, marker in zip(ends, ("|" if lo else "<", "|" if hi else ">"), strict=True):
        axes.plot([x], [height], linestyle="none", marker=marker, markersize=6, markeredgewidth=1.6, **foot)
    axes.plot([value], [height], linestyle="none", marker="*", markersize=11, gid=f"minimum {series.name}", **foot)


def _crossings(series: RateSeries, mark: Mark, axes: Axes) -> None:
    """Draw where the curve meets the dense model of equal C, with the interval; an open end reaches the last rate."""
    height = series.dense[0].bpc
    for side, edge in zip(("low", "high"), series.fit.domain["r_a"], strict=True):
        found = series.crossing(0, side)
        if found.value is not None:
            ends = [found.lo or edge, found.hi or edge]
            axes.plot(ends, [height] * 2, color=mark.color, linewidth=4, alpha=0.45, zorder=3)
            axes.plot([found.value], [height], marker="x", color=mark.color, markeredgewidth=2, zorder=6)


def _frame(chosen: Sequence[RateSeries], axes: Axes, unit: str, room: float = 1.12) -> None:
    log_axis(axes, "x", [run.r_a for series in chosen for run in series.runs], percent, room=room)
    low, high = axes.get_ylim()
    axes.set_ylim(low - (high - low) * (0.06 + STEP * len(chosen)), high)
    label_axes(axes, "activation rate  r_a = N_a / N", unit, handlelength=2.4)


def _label(series: RateSeries) -> str:
    if series.fresh:
        return "MoE, fresh data"
    return "MoE, two epochs" if series.table == 17 else f"MoE, {series.repeated_tokens} tokens repeated"


def _caption(paper: Li2025, panel: Panel, origin: str) -> str:
    chosen = panel.chosen(paper)
    crossed = any(series.crossing(0, side).value for series in chosen for side in ("low", "high"))
    crosses = " Cross: where the curve meets the dense model of equal C, with its 95 % interval." if crossed else ""
    return f"{origin} {COMMON}{crosses} {'; '.join(map(_summary, chosen))}."


def _summary(series: RateSeries) -> str:
    where = "no minimum" if series.optimum.value is None else f"minimum {rate_estimate(series.optimum)}"
    return f"{series.name}: n = {len(series.runs)}, {where}, residual SD {series.fit.residual_sd or 0:.4f}"


def _alt(paper: Li2025, panel: Panel) -> str:
    chosen = panel.chosen(paper)
    dense = [f"{run.bpc:.4f} at C {flops(run.C or 0)}" for run in chosen[0].dense]
    points = [
        f"{series.name}: {', '.join(f'{run.bpc:.4f} at {percent(run.r_a)}' for run in series.runs)}"
        for series in chosen
    ]
    return f"Bits per character against activation rate. {'; '.join(points)}. Dense {' and '.join(dense)}."


def _figure(title: str, origin: str, *series: str, fine: bool = False) -> Figure[Li2025]:
    panel = Panel(series=series, fine=fine)
    return Figure(
        title=title,
        section=REDRAWN,
        draw=lambda paper, axes: draw_rates(paper, axes, panel),
        caption=lambda paper: _caption(paper, panel, origin),
        alt=lambda paper: _alt(paper, panel),
        size=(5.0, 4.2),
    )


def gap_caption(paper: Li2025) -> str:
    """Return what the figure of all three sizes shows."""
    leads = "; ".join(f"{scale} {loss_estimate(series.less_dense(0))}" for scale, series in paper.main.items())
    n = sum(len(series.runs) for series in paper.main.values())
    return (
        f"Validation loss of MoE less that of the dense model of equal N and C. {COMMON} Bars at the right: the dense "
        f"models of about twice the compute. At the minimum: {leads}. n = {counted(n, 'MoE run')}, one seed. The "
        "interval of a difference takes the noise of the dense run to be the scatter about the curve."
    )


def gap_alt(paper: Li2025) -> str:
    """Return the figure of all three sizes in words."""
    lows = "; ".join(f"{scale} {rate_estimate(series.optimum)}" for scale, series in paper.main.items())
    ends = "; ".join(f"{scale} {s.best.bpc - s.dense[0].bpc:+.4f}" for scale, s in paper.main.items())
    return (
        "Loss of MoE less dense at equal compute against activation rate, one curve for each of 2B, 3B and 7B. The "
        f"curves are lowest at {lows}. Lowest run less dense: {ends} bits per character."
    )


FIG_1B = _figure("Fig. 1b: 2B at equal compute", "Redrawn from tables 10 and 13.", "2B", fine=True)
FIG_2B = _figure(
    "Fig. 2b: 7B at equal compute, fresh and repeated data",
    "Redrawn from tables 12, 13, 14 and 17. The paper draws only the dense line of twice the compute; that of equal "
    "compute lies above its axis and is added here.",
    "7B",
    "7B, 68B tokens",
    "7B, two epochs",
)
FIG_5 = _figure(
    "Fig. 5: 3B on repeated data",
    "Redrawn from tables 13, 15 and 16. The paper also shows one run on 309B fresh tokens; no table has it.",
    "3B, 65B tokens",
    "3B, 114B tokens",
    fine=True,
)
GAP = Figure(title="MoE less dense at equal N and C", draw=draw_gap, caption=gap_caption, alt=gap_alt, size=(5.0, 4.4))

MINIMUM_CURVES = ("cubic", "spline", "quadratic")
BETWEEN = 0.22
"""Distance between the curves of one set, in rows."""
SHOWN = (0.12, 0.36)
"""Rates that the axis spans."""


def draw_minima(paper: Li2025, axes: Axes) -> None:
    """Draw one row for each set and one interval for each curve; a curve that the runs reject is open and thin."""
    common = paper.one_optimum["all runs"]
    axes.axvspan(common.lo or SHOWN[0], common.hi or SHOWN[1], color=REGION, alpha=0.6, linewidth=0, zorder=0)
    axes.axvline(SAID, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    for row, series in enumerate(paper.series.values()):
        for at, name in enumerate(MINIMUM_CURVES):
            _interval(series.curve(name), at, row + BETWEEN * (at - 1), axes)
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


def caption_minima(paper: Li2025) -> str:
    """Return what the figure shows."""
    common = paper.one_optimum["all runs"]
    return (
        "Minimum of three curves in ln r_a for each set of runs, with the 95 % interval that assumes the shape of "
        f"that curve and independent normal scatter about it. Open: the runs reject the curve (p < {TEST_LEVEL:g}). "
        "Fine: without the runs with 8 large experts. Shaded: the minimum if 2B, 3B (65B tokens) and 7B share one, "
        f"{rate_estimate(common)}, {p_value(common.p)}. Dashed: the {100 * SAID:g} % of "
        "the paper. One seed."
    )


def alt_minima(paper: Li2025) -> str:
    """Return the figure in words."""
    rows = []
    for series in paper.series.values():
        curves = [series.curve(name) for name in MINIMUM_CURVES]
        rows.append(f"{series.name}: " + ", ".join(f"{c.law} {rate_estimate(c)}" for c in curves))
    return f"Rate of the lowest loss by set of runs and curve. {'; '.join(rows)}."


MINIMUM_BY_CURVE = Figure(
    title="Where the loss is lowest, by curve",
    section=MINIMA,
    draw=draw_minima,
    caption=caption_minima,
    alt=alt_minima,
    size=(5.0, 5.6),
)
