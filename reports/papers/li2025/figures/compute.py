"""arXiv 2506.12119, loss against compute: its Figs 1a (2B) and 2a (7B), with refitted lines."""

from typing import TYPE_CHECKING

from planners.architecture.flops import flops_per_token
from reports.page.figure import DENSE, INK, SERIES, Figure
from reports.page.number_text import flops, percent
from reports.page.scales import log_axis
from reports.papers.words import around, between, rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fits import Optimum
    from planners.published.li2025.rows import Li2025Run
    from reports.papers.li2025.study import Li2025

FEW = 1.14e11
"""Tokens of its 2B runs at fixed D."""
POINTS = 120


def compute(run: "Li2025Run") -> float:
    """Return C of a run: printed where it is, else M D in the paper's counting with the router."""
    from planners.published.li2025.rows import SEQ_LEN, li2025_shape

    return run.C or flops_per_token(li2025_shape(run), SEQ_LEN, "li2025+router") * run.D


def at_few_tokens(paper: "Li2025") -> list["Li2025Run"]:
    """Return the 2B runs of tables 9 and 10 on 114B tokens, by rate; a rate that both print is taken once."""
    runs = [run for run in (*paper.of(9), *paper.of(10)) if abs(run.D / FEW - 1) < 0.01]
    return sorted(runs, key=lambda run: run.r_a)


def draw_2b(paper: "Li2025", axes: "Axes") -> None:
    """Draw loss against C: the rates at 114B tokens joined, and each rate with more tokens as a fitted line."""
    few, rates = at_few_tokens(paper), _by_rate(paper)
    axes.plot(
        [compute(run) for run in few], [run.bpc for run in few], color=DENSE.color, marker="o", markersize=5,
        label="114B tokens, by rate", zorder=4, gid="fixed D",
    )  # fmt: skip
    for (r_a, runs), mark in zip(rates.items(), SERIES, strict=False):
        axes.plot(
            [compute(run) for run in runs], [run.bpc for run in runs], linestyle="none", marker=mark.marker,
            color=mark.color, markersize=6, label=percent(r_a), zorder=5, gid=f"rate {r_a}",
        )  # fmt: skip
        _line(runs, mark.color, axes)
    every = [*few, *(run for runs in rates.values() for run in runs)]
    _frame([compute(run) for run in every], axes)


def _line(runs: "list[Li2025Run]", color: str, axes: "Axes") -> None:
    """Draw the straight line in ln C through the runs of one rate, with its band where there is noise to judge it."""
    import numpy as np

    from reports.papers.li2025.effects import token_line

    C, line = [compute(run) for run in runs], token_line(runs)
    if line is None:
        axes.plot(C, [run.bpc for run in runs], color=color, linewidth=1.1, linestyle=(0, (4, 2)))
        return
    D = np.geomspace(min(run.D for run in runs), max(run.D for run in runs), POINTS)
    mean, error = line.at(np.log(D / 1e11))
    x = D * (C[0] / runs[0].D)
    axes.plot(x, mean, color=color, linewidth=1.3, linestyle=(0, (4, 2)))
    axes.fill_between(x, mean - line.t * error, mean + line.t * error, color=color, alpha=0.13, linewidth=0)


def draw_7b(paper: "Li2025", axes: "Axes") -> None:
    """Draw loss against C at 130B tokens, with the cubic in ln r_a over the C of each rate."""
    import numpy as np

    from fits import curve

    runs, fit = paper.of(11), paper.fixed_D
    axes.plot(
        [compute(run) for run in runs], [run.bpc for run in runs], linestyle="none", marker="o", color=SERIES[0].color,
        label="MoE, 130B tokens", zorder=5, gid="fixed D",
    )  # fmt: skip
    for run in runs:
        axes.annotate(percent(run.r_a), (compute(run), run.bpc), xytext=(5, 4), textcoords="offset points", fontsize=8)
    r_a = np.geomspace(min(run.r_a for run in runs), max(run.r_a for run in runs), POINTS)
    C = np.exp(np.interp(np.log(r_a), np.log([run.r_a for run in runs]), np.log([compute(run) for run in runs])))
    mean, low, high = curve(fit, r_a)
    axes.plot(C, mean, color=SERIES[0].color, linewidth=1.4, linestyle=SERIES[0].line, label="cubic in ln r_a")
    if low is not None and high is not None:
        axes.fill_between(C, low, high, color=SERIES[0].color, alpha=0.14, linewidth=0, label="95 % band")
    dense = paper.dense("7B")[1]
    axes.plot([compute(dense)], [dense.bpc], linestyle="none", marker="s", color=INK, label="dense, 130B tokens")
    _frame([*(compute(run) for run in runs), compute(dense)], axes)


def _frame(C: list[float], axes: "Axes") -> None:
    log_axis(axes, "x", C, flops, room=1.2)
    axes.set_xlabel("training compute  C  (FLOPs)")
    axes.set_ylabel("bits per character")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, handlelength=2.2)


def _by_rate(paper: "Li2025") -> dict[float, list["Li2025Run"]]:
    rates = dict.fromkeys(run.r_a for run in paper.of(9))
    return {r_a: [run for run in paper.of(9) if run.r_a == r_a] for r_a in rates}


def caption_2b(paper: "Li2025") -> str:
    """Return what Fig. 1a shows, with the slopes of its lines."""
    from reports.papers.li2025.effects import slopes

    found = "; ".join(f"{percent(r_a)} {around((-value, half))}" for r_a, (value, half) in slopes(paper).items())
    return (
        "Redrawn from tables 9 and 10. Solid: 114B tokens for every rate. Dashed: one rate with more tokens, a "
        "straight line in ln C with its 95 % band where three runs or more are left to judge it. Slope in BPC by ln "
        f"D: {found}. n = {len(paper.of(9))} runs of table 9, one seed. Which points the paper draws is inferred from "
        "Fig. 2a."
    )


def alt_2b(paper: "Li2025") -> str:
    """Return Fig. 1a in words."""
    rates = [f"{percent(r_a)}: {_points(runs)}" for r_a, runs in _by_rate(paper).items()]
    few = _points(at_few_tokens(paper))
    return f"Bits per character against compute at 2B. At 114B tokens: {few}. By rate, {'; '.join(rates)}."


def caption_7b(paper: "Li2025") -> str:
    """Return what Fig. 2a shows."""
    found, runs = paper.fixed_D.optimum, paper.of(11)
    where = "" if found is None else f" {_lowest(found)}"
    return (
        "Redrawn from table 11, with the dense model of as many tokens (table 13). C is computed from the printed "
        f"sizes. n = {len(runs)}, one seed.{where}"
    )


def _lowest(found: "Optimum") -> str:
    """Say where the curve of the rates is lowest, or at which end of them."""
    if found.edge:
        side = {"low": "lowest", "high": "highest"}[found.edge]
        ends = between(found.lo, found.hi)
        return f"The cubic is lowest at the {side} rate of the runs; the rate of its minimum, if it has one: {ends}."
    return f"The cubic is lowest at {rate(found.value, found.lo, found.hi)}."


def alt_7b(paper: "Li2025") -> str:
    """Return Fig. 2a in words."""
    return f"Bits per character against compute at 7B on 130B tokens, by activation rate: {_points(paper.of(11))}."


def _points(runs: "tuple[Li2025Run, ...] | list[Li2025Run]") -> str:
    return ", ".join(f"{run.bpc:.4f} at {flops(compute(run))} ({percent(run.r_a)})" for run in runs)


FIG_1A = Figure(
    title="Fig. 1a: 2B, loss against compute", of="li2025", has_data=lambda paper: bool(paper.of(9)), draw=draw_2b,
    caption=caption_2b, alt=alt_2b, size=(5.0, 4.2),
)  # fmt: skip
FIG_2A = Figure(
    title="Fig. 2a: 7B at equal tokens", of="li2025", has_data=lambda paper: bool(paper.of(11)), draw=draw_7b,
    caption=caption_7b, alt=alt_7b,
)  # fmt: skip
