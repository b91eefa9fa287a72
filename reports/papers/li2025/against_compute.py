"""arXiv 2506.12119, loss against compute: its Figs 1a (2B) and 2a (7B), with refitted lines."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fits import curve
from planners.published.li2025.rows import Li2025Run
from reports.page.figure import DENSE, SERIES, Axes, Figure, log_axis, points
from reports.page.number_text import flops, percent
from reports.papers.estimate_text import loss_estimate
from reports.papers.figure_parts import COMPUTE, label_axes
from reports.papers.li2025.confounders import TOKENS, runs_by_rate, token_curve, token_gradients
from reports.papers.li2025.study import REDRAWN, Li2025, counted_C

FEW = 1.14e11
"""Tokens of the 2B runs at fixed D."""
POINTS = 120


def compute(run: Li2025Run) -> float:
    """Return C of a run, FLOPs: as printed, else M D in the paper's convention with the router."""
    return run.C or counted_C(run)


def at_few_tokens(paper: Li2025) -> list[Li2025Run]:
    """Return the 2B runs of tables 9 and 10 on 114B tokens, by rate."""
    runs = [run for run in (*paper.of(9), *paper.of(10)) if abs(run.D / FEW - 1) < 0.01]
    return sorted(runs, key=lambda run: run.r_a)


def places(runs: Sequence[Li2025Run]) -> tuple[list[float], list[float]]:
    """Return C and the loss of each run."""
    return [compute(run) for run in runs], [run.bpc for run in runs]


def draw_2b(paper: Li2025, axes: Axes) -> None:
    """Draw loss against C: the rates at 114B tokens joined, and each rate with more tokens as a fitted line."""
    few, rates = at_few_tokens(paper), runs_by_rate(paper)
    line: dict[str, Any] = {"color": DENSE.color, "marker": "o", "markersize": 5}
    axes.plot(*places(few), label="114B tokens, by rate", zorder=4, gid="fixed D", **line)
    for (r_a, runs), mark in zip(rates.items(), SERIES, strict=False):
        points(axes, *places(runs), mark, 6, label=percent(r_a), zorder=5, gid=f"rate {r_a}")
        _line(runs, mark.color, axes)
    _frame([*few, *(run for runs in rates.values() for run in runs)], axes)


def _line(runs: list[Li2025Run], color: str, axes: Axes) -> None:
    """Draw the straight line in ln C through the runs of one rate, with its band where a degree of freedom is left."""
    style: dict[str, Any] = {"color": color, "linestyle": (0, (4, 2))}
    line = token_curve(runs)
    if line is None:
        axes.plot(*places(runs), linewidth=1.1, **style)
        return
    D = np.geomspace(min(run.D for run in runs), max(run.D for run in runs), POINTS)
    mean, error = line.at(np.log(D / TOKENS))
    C = D * (compute(runs[0]) / runs[0].D)
    axes.plot(C, mean, linewidth=1.3, **style)
    axes.fill_between(C, mean - line.t * error, mean + line.t * error, color=color, alpha=0.13, linewidth=0)


def draw_7b(paper: Li2025, axes: Axes) -> None:
    """Draw loss against C at 130B tokens, with the cubic in ln r_a over the C of each rate."""
    runs, dense, mark = paper.of(11), paper.dense("7B")[1], SERIES[0]
    points(axes, *places(runs), mark, 7, label="MoE, 130B tokens", zorder=5, gid="fixed D")
    for run in runs:
        axes.annotate(percent(run.r_a), (compute(run), run.bpc), xytext=(5, 4), textcoords="offset points", fontsize=8)
    rates = np.array([run.r_a for run in runs])
    r_a = np.geomspace(rates.min(), rates.max(), POINTS)
    C = np.exp(np.interp(np.log(r_a), np.log(rates), np.log([compute(run) for run in runs])))
    mean, low, high = curve(paper.equal_tokens, r_a)
    axes.plot(C, mean, color=mark.color, linewidth=1.4, linestyle=mark.line, label="cubic in ln r_a")
    if low is not None and high is not None:
        axes.fill_between(C, low, high, color=mark.color, alpha=0.14, linewidth=0, label="95 % band")
    points(axes, *places([dense]), DENSE, 7, label="dense, 130B tokens")
    _frame([*runs, dense], axes)


def _frame(runs: Sequence[Li2025Run], axes: Axes) -> None:
    log_axis(axes, "x", [compute(run) for run in runs], flops, room=1.2)
    label_axes(axes, COMPUTE, "bits per character", columns=3, handlelength=2.2)


def caption_2b(paper: Li2025) -> str:
    """Return what Fig. 1a shows, with the gradients of its lines."""
    found = "; ".join(f"{percent(r_a)} {loss_estimate(slope)}" for r_a, slope in token_gradients(paper).items())
    return (
        "Redrawn from tables 9 and 10. Solid: 114B tokens at every rate. Dashed: one rate with more tokens, a "
        "straight line in ln C, with its 95 % band for three runs or more. Gradient in BPC per unit of ln D: "
        f"{found}. n = {len(paper.of(9))} runs of table 9, one seed. Which points the paper draws is inferred from "
        "Fig. 2a."
    )


def alt_2b(paper: Li2025) -> str:
    """Return Fig. 1a in words."""
    rates = [f"{percent(r_a)}: {_listed(runs)}" for r_a, runs in runs_by_rate(paper).items()]
    few = _listed(at_few_tokens(paper))
    return f"Bits per character against compute at 2B. At 114B tokens: {few}. By rate, {'; '.join(rates)}."


def caption_7b(paper: Li2025) -> str:
    """Return what Fig. 2a shows."""
    return (
        "Redrawn from table 11, with the dense model of as many tokens (table 13). C is computed from the printed "
        f"sizes. n = {len(paper.of(11))}, one seed. These runs share D and not C, so they ask for no optimum: more "
        "active parameters cost more compute."
    )


def alt_7b(paper: Li2025) -> str:
    """Return Fig. 2a in words."""
    return f"Bits per character against compute at 7B on 130B tokens, by activation rate: {_listed(paper.of(11))}."


def _listed(runs: Sequence[Li2025Run]) -> str:
    return ", ".join(f"{run.bpc:.4f} at {flops(compute(run))} ({percent(run.r_a)})" for run in runs)


FIG_1A = Figure(
    title="Fig. 1a: 2B, loss against compute",
    section=REDRAWN,
    draw=draw_2b,
    caption=caption_2b,
    alt=alt_2b,
    size=(5.0, 4.2),
)
FIG_2A = Figure(title="Fig. 2a: 7B at equal tokens", section=REDRAWN, draw=draw_7b, caption=caption_7b, alt=alt_7b)
