"""arXiv 2506.12119, loss against activation rate: its Figs 1b, 2b and 5 with the refitted curves, and all three sizes.

Markers are the published numbers, open where the experts are coarse; curve, band and minimum are the refit.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reports.page.figure import DENSE, INK, SERIES, Figure, Mark
from reports.page.number_text import counted, flops, percent
from reports.page.scales import log_axis
from reports.papers.words import around, rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from reports.papers.li2025.study import Li2025, Series

POINTS = 200
FOOT, STEP = 0.045, 0.055
"""Heights at which the intervals of the minima are drawn, as shares of the axes."""
COMMON = (
    "Markers: published, one run each, open with 8 large experts instead of 78 and more small ones. Curves: cubics "
    "in ln r_a with the 95 % band of the mean. Star: minimum with its 95 % interval."
)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """What one figure shows."""

    series: tuple[str, ...]
    """Series by name, in the order of their marks."""
    dense: tuple[int, ...] = (0, 1)
    """Dense models drawn as lines: 0 at C, 1 at 2C."""
    fine: bool = False
    """Whether the curve of the fine-grained runs alone is drawn too."""


def draw_rates(paper: "Li2025", axes: "Axes", panel: Panel) -> None:
    """Draw series over their rates with the dense models of their size."""
    chosen = [paper.series[name] for name in panel.series]
    for row, (series, mark) in enumerate(zip(chosen, SERIES, strict=False)):
        _runs(series, mark, axes, label=_label(series))
        _curve(series, mark, axes)
        _minimum(series, mark, FOOT + STEP * (len(chosen) - 1 - row), axes)
        if panel.fine and f"{series.name}, fine" in paper.series:
            _fine(paper.series[f"{series.name}, fine"], mark, axes, label=not row)
    _dense(chosen[0], panel.dense, axes)
    if 0 in panel.dense:
        for series, mark in zip(chosen, SERIES, strict=False):
            _crossings(series, mark, axes)
    _frame(chosen, axes, "bits per character")


def draw_gap(paper: "Li2025", axes: "Axes") -> None:
    """Draw the three sizes less the dense model of equal C."""
    for row, ((scale, series), mark) in enumerate(zip(paper.main.items(), SERIES, strict=False)):
        zero = series.dense[0].bpc
        _runs(series, mark, axes, label=f"MoE {scale}{_fresh(series)}", zero=zero)
        _curve(series, mark, axes, zero=zero)
        _minimum(series, mark, FOOT + STEP * (2 - row), axes)
        twice = series.dense[1].bpc - zero
        axes.plot([0.62, 0.72], [twice] * 2, color=mark.color, linewidth=2, marker=mark.marker, markersize=5)
    axes.axhline(0, color=DENSE.color, linewidth=1.2, zorder=2)
    for text, place in (("dense, equal N and C", (0.22, 0.0)), ("dense, 2C", (0.67, -0.0105))):
        axes.annotate(text, place, xytext=(0, 4), textcoords="offset points", fontsize=8, ha="center")
    _frame(list(paper.main.values()), axes, "bits per character less dense at equal C", room=1.45)


def _runs(series: "Series", mark: Mark, axes: "Axes", *, label: str, zero: float = 0.0) -> None:
    from reports.papers.li2025.study import coarse

    for open_ in (False, True):
        runs = [run for run in series.runs if coarse(run) == open_]
        face = "white" if open_ else mark.color
        axes.plot(
            [run.r_a for run in runs], [run.bpc - zero for run in runs], linestyle="none", marker=mark.marker,
            color=mark.color, markerfacecolor=face, markeredgewidth=1.4, markersize=6, zorder=5,
            label=None if open_ else label, gid=f"{'coarse' if open_ else 'fine'} {series.name}",
        )  # fmt: skip


def _curve(series: "Series", mark: Mark, axes: "Axes", zero: float = 0.0) -> None:
    r_a, mean, low, high = fitted(series)
    axes.fill_between(r_a, low - zero, high - zero, color=mark.color, alpha=0.14, linewidth=0, zorder=1)
    axes.plot(r_a, mean - zero, color=mark.color, linewidth=1.5, linestyle=mark.line, gid=f"curve {series.name}")


def _fine(series: "Series", mark: Mark, axes: "Axes", *, label: bool) -> None:
    r_a, mean, _, _ = fitted(series)
    text = "small experts alone" if label else None
    axes.plot(r_a, mean, color=INK, linewidth=1, linestyle=(0, (1, 1.6)), label=text, gid=f"curve {series.name}")


def fitted(series: "Series") -> tuple[Any, Any, Any, Any]:
    """Return rates, the curve there, and the ends of its 95 % band."""
    import numpy as np

    from fits import curve

    low, high = series.fit.domain["r_a"]
    r_a = np.geomspace(low, high, POINTS)
    mean, bottom, top = curve(series.fit, r_a)
    return r_a, mean, mean if bottom is None else bottom, mean if top is None else top


def _minimum(series: "Series", mark: Mark, height: float, axes: "Axes") -> None:
    """Draw the minimum with its interval at `height`, a share of the axes; an open end is an arrow."""
    low = series.optimum
    if low.value is None:
        return
    ends = [end or edge for end, edge in zip((low.lo, low.hi), series.fit.domain["r_a"], strict=True)]
    foot: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "color": mark.color, "zorder": 6}
    axes.plot(ends, [height] * 2, linewidth=2, gid=f"interval {series.name}", **foot)
    for x, marker in zip(ends, ("|" if low.lo else "<", "|" if low.hi else ">"), strict=True):
        axes.plot([x], [height], linestyle="none", marker=marker, markersize=6, markeredgewidth=1.6, **foot)
    axes.plot([low.value], [height], linestyle="none", marker="*", markersize=11, gid=f"minimum {series.name}", **foot)


def _dense(series: "Series", which: Sequence[int], axes: "Axes") -> None:
    for at in which:
        run, line = series.dense[at], ("-", (0, (6, 3)))[at]
        label = f"dense, {('C', '2C')[at]} = {flops(run.C or 0)}"
        axes.axhline(
            run.bpc, color=DENSE.color, linewidth=1.1, linestyle=line, label=label, zorder=2, gid=f"dense {at}"
        )


def _crossings(series: "Series", mark: Mark, axes: "Axes") -> None:
    """Draw where the curve meets the dense model of equal C, with the interval; an open end reaches the last rate."""
    for side, edge in zip(("low", "high"), series.fit.domain["r_a"], strict=True):
        found = series.crossing(0, side)
        if found.value is None:
            continue
        height = series.dense[0].bpc
        axes.plot(
            [found.lo or edge, found.hi or edge], [height] * 2, color=mark.color, linewidth=4, alpha=0.45, zorder=3
        )
        axes.plot([found.value], [height], marker="x", color=mark.color, markeredgewidth=2, zorder=6)


def _frame(chosen: "Sequence[Series]", axes: "Axes", unit: str, room: float = 1.12) -> None:
    log_axis(axes, "x", [run.r_a for series in chosen for run in series.runs], percent, room=room)
    low, high = axes.get_ylim()
    axes.set_ylim(low - (high - low) * (0.06 + STEP * len(chosen)), high)
    axes.set_xlabel("activation rate  r_a = N_a / N")
    axes.set_ylabel(unit)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, handlelength=2.4)


def _label(series: "Series") -> str:
    words = {12: "MoE, fresh data", 14: "MoE, 68B tokens repeated", 17: "MoE, two epochs", 10: "MoE, fresh data"}
    return words.get(series.table, f"MoE, {series.runs[0].U / 1e9:g}B tokens repeated")


def _fresh(series: "Series") -> str:
    return "" if series.fresh else f", {series.runs[0].U / 1e9:g}B tokens repeated"


def _sentence(series: "Series") -> str:
    low = series.optimum
    where = "no minimum" if low.value is None else f"minimum {rate(low.value, low.lo, low.hi)}"
    return f"{series.name}: n = {len(series.runs)}, {where}, residual SD {series.fit.residual_sd or 0:.4f}"


def _caption(panel: Panel, what: str) -> "Callable[[Li2025], str]":
    def caption(paper: "Li2025") -> str:
        chosen = [paper.series[name] for name in panel.series]
        crosses = " Cross: where the curve meets the dense model of equal C, with its 95 % interval." if any(
            series.crossing(0, side).value for series in chosen for side in ("low", "high")
        ) else ""  # fmt: skip
        return f"{what} {COMMON}{crosses} {'; '.join(map(_sentence, chosen))}."

    return caption


def _alt(panel: Panel) -> "Callable[[Li2025], str]":
    def alt(paper: "Li2025") -> str:
        chosen = [paper.series[name] for name in panel.series]
        dense = [f"{run.bpc:.4f} at C {flops(run.C or 0)}" for run in chosen[0].dense]
        points = [
            f"{series.name}: {', '.join(f'{run.bpc:.4f} at {percent(run.r_a)}' for run in series.runs)}"
            for series in chosen
        ]
        return f"Bits per character against activation rate. {'; '.join(points)}. Dense {' and '.join(dense)}."

    return alt


def _figure(title: str, what: str, panel: Panel) -> "Figure[Li2025]":
    return Figure(
        title=title, of="li2025", has_data=lambda paper: all(paper.series[name].runs for name in panel.series),
        draw=lambda paper, axes: draw_rates(paper, axes, panel), caption=_caption(panel, what), alt=_alt(panel),
        size=(5.0, 4.2),
    )  # fmt: skip


def gap_caption(paper: "Li2025") -> str:
    """Return what the figure of all three sizes shows."""
    leads = [f"{scale} {around(_gap(series))}" for scale, series in paper.main.items()]
    return (
        f"Validation loss of MoE less that of the dense model of equal N and C. {COMMON} Bars at the right: the dense "
        f"models of about twice the compute. At the minimum: {'; '.join(leads)}. n = "
        f"{counted(sum(len(series.runs) for series in paper.main.values()), 'MoE run')}, one seed; the interval of a "
        "difference takes the noise of the dense run to be that about the curve."
    )


def _gap(series: "Series") -> tuple[float, float] | None:
    lead = series.lead(0)
    return None if lead is None else (-lead[0], lead[1])


def gap_alt(paper: "Li2025") -> str:
    """Return the figure in words."""
    lows = [f"{scale} {rate(s.optimum.value, s.optimum.lo, s.optimum.hi)}" for scale, s in paper.main.items()]
    ends = [f"{scale} {min(run.bpc - s.dense[0].bpc for run in s.runs):+.4f}" for scale, s in paper.main.items()]
    return (
        "Loss of MoE less dense at equal compute against activation rate, one curve for each of 2B, 3B and 7B. The "
        f"curves are lowest at {'; '.join(lows)}. Lowest run less dense: {'; '.join(ends)} bits per character."
    )


FIG_1B = _figure("Fig. 1b: 2B at equal compute", "Redrawn from tables 10 and 13.", Panel(series=("2B",), fine=True))
FIG_2B = _figure(
    "Fig. 2b: 7B at equal compute, fresh and repeated data",
    "Redrawn from tables 12, 13, 14 and 17. The paper draws the dense line of twice the compute alone; that of equal "
    "compute lies above its axis and is added here.",
    Panel(series=("7B", "7B, 68B tokens", "7B, two epochs")),
)
FIG_5 = _figure(
    "Fig. 5: 3B on repeated data",
    "Redrawn from tables 13, 15 and 16. The one run on 309B fresh tokens that the paper shows is in no table.",
    Panel(series=("3B, 65B tokens", "3B, 114B tokens"), fine=True),
)
GAP = Figure(
    title="MoE less dense at equal N and C", of="li2025", has_data=lambda paper: bool(paper.runs), draw=draw_gap,
    caption=gap_caption, alt=gap_alt, size=(5.0, 4.4),
)  # fmt: skip
