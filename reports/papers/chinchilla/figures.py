"""arXiv 2203.15556, figures 3 and 4 redrawn: IsoFLOP curves, the loss surface, and tokens per parameter by budget."""

from typing import TYPE_CHECKING, Any

import numpy as np

from planners.records.quantity import format_quantity
from reports.page.figure import BAND, FAINT, INK, Figure
from reports.page.number_text import flops, general
from reports.page.scales import log_scale
from reports.papers.chinchilla.study import (
    BUDGETS,
    CHINCHILLA,
    ROUNDED,
    Chinchilla,
    band,
    law,
    optimal_size,
    tokens_per_parameter,
)
from reports.papers.figure_parts import OURS, beside_line, legend_above, printed_line, shades

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEVELS = (2.0, 2.1, 2.2, 2.3, 2.5, 2.7, 3.0, 3.5, 4.0)
"""Losses of the contours, nats per token."""


def draw_isoflop(data: Chinchilla, axes: "Axes") -> None:
    """Draw loss against N at the nine budgets: runs, our curve, and that of the printed coefficients."""
    for C, color in zip(BUDGETS, shades(len(BUDGETS)), strict=True):
        near = data.near(C)
        if not near.any():
            continue
        N = np.geomspace(data.N[near].min() / 1.15, data.N[near].max() * 1.15, 60)
        at = {"N": N, "D": C / 6 / N}
        axes.plot(N, law().loss(ROUNDED.params, at), color=FAINT, linestyle=(0, (3, 1.5)), linewidth=1, zorder=1)
        ours = law().loss(data.params, at)
        axes.plot(N, ours, color=color, linewidth=1.3, gid=f"fit {flops(C)}", zorder=2)
        runs: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 4, "color": color, "zorder": 3}
        axes.plot(data.N[near], data.loss[near], gid=f"runs {flops(C)}", **runs)
        beside_line(axes, flops(C), (N[-1], ours[-1]))
    axes.plot([], [], color=INK, linewidth=1.3, marker="o", markersize=4, label="runs and our fit, by C (FLOPs)")
    axes.plot([], [], color=FAINT, linestyle=(0, (3, 1.5)), linewidth=1, label="coefficients as printed")
    log_scale(axes.xaxis, format_quantity)
    axes.margins(x=0.09)
    axes.set_xlabel("parameters  N")
    axes.set_ylabel("loss  (nats/token)")
    legend_above(axes)


def draw_surface(data: Chinchilla, axes: "Axes") -> None:
    """Draw the runs on C and N with contours of our loss, and the lines of least loss."""
    C = np.geomspace(data.C.min() / 2, data.C.max() * 3, 90)
    N = np.geomspace(data.N.min() / 2, data.N.max() * 3, 90)
    loss = law().loss(data.params, {"N": np.repeat(N, len(C)), "D": (C[None] / 6 / N[:, None]).ravel()})
    lines = axes.contour(C, N, loss.reshape(len(N), len(C)), levels=LEVELS, colors=FAINT, linewidths=0.8)
    axes.clabel(lines, fontsize=7, fmt="%.1f", colors=INK)
    axes.scatter(data.C, data.N, c=data.loss, cmap="viridis", s=16, linewidths=0, zorder=2, gid="runs")
    for i, (name, params) in enumerate(data.coefficients.items()):
        style = printed_line(i - 1) if i else OURS
        axes.plot(C, optimal_size(params, C), label=f"least loss, {name}", **style)
    log_scale(axes.xaxis, flops)
    log_scale(axes.yaxis, format_quantity)
    axes.set_xlim(C[0], C[-1])
    axes.set_ylim(N[0], N[-1])
    axes.set_xlabel("training compute  C  (FLOPs)")
    axes.set_ylabel("parameters  N")
    legend_above(axes)


def draw_allocation(data: Chinchilla, axes: "Axes") -> None:
    """Draw the tokens per parameter of least loss against C, ours with its band, and the printed ones."""
    C = np.geomspace(data.C.min(), 3 * CHINCHILLA, 40)
    low, high = band(data, C)
    axes.fill_between(C, low, high, color=BAND, alpha=0.5, linewidth=0, label="95 % band of our fit", zorder=1)
    for i, (name, params) in enumerate(data.coefficients.items()):
        axes.plot(C, tokens_per_parameter(params, C), label=name, **(printed_line(i - 1) if i else OURS))
    axes.plot([CHINCHILLA], [20], marker="*", markersize=12, color=INK, linestyle="none", label="70B on 1.4T tokens")
    axes.axvspan(data.C.min(), data.C.max(), ymax=0.02, color=INK, linewidth=0, zorder=4)
    log_scale(axes.xaxis, flops)
    log_scale(axes.yaxis, general(4), (5, 10, 20, 50, 100, 200))
    axes.set_xlabel("training compute  C  (FLOPs)")
    axes.set_ylabel("tokens per parameter  D / N")
    legend_above(axes)


def has_data(data: Chinchilla) -> bool:
    """Whether there are runs."""
    return bool(len(data.loss))


def _caption_isoflop(data: Chinchilla) -> str:
    shown = int(sum(data.near(C).sum() for C in BUDGETS))
    return (
        f"Loss against N (log axis) of the {shown} of {len(data.loss)} runs that lie within 12 % of the nine budgets "
        "of the paper. Solid: our fit of the law to all runs. Dashed grey: the coefficients as the paper prints them, "
        "which lie above the runs. The points were read off the paper's figure 4."
    )


def _caption_surface(data: Chinchilla) -> str:
    return (
        f"The {len(data.loss)} runs by compute and size (log axes), darker where the loss is lower. Contours: loss of "
        "our fit in nats per token. Lines: the size of least loss at each C, by our coefficients and by each printed "
        "set."
    )


def _caption_allocation(data: Chinchilla) -> str:
    return (
        f"Tokens per parameter of least loss against compute (log axes). The band is the 95 % interval of our fit of "
        f"n = {len(data.loss)} runs, {len(data.draws.values)} bootstrap draws; the black bar at the foot is the range "
        "of the runs, all beyond it is extrapolated. Two digits of the exponents move the printed law from 59 to 93 "
        "tokens per parameter at the compute of the 70B model."
    )


def _alt_allocation(data: Chinchilla) -> str:
    said = (
        f"{name} {float(tokens_per_parameter(params, CHINCHILLA)):.1f}" for name, params in data.coefficients.items()
    )
    return f"Tokens per parameter of least loss at {flops(CHINCHILLA)} FLOPs: {'; '.join(said)}."


def _alt_isoflop(data: Chinchilla) -> str:
    counts = ", ".join(f"{int(data.near(C).sum())} at {flops(C)}" for C in BUDGETS)
    return f"Loss against parameters at nine budgets, each a valley that our curve follows. Runs: {counts}."


def _alt_surface(data: Chinchilla) -> str:
    ends = (
        f"{name} {format_quantity(float(optimal_size(params, 1e21)))}" for name, params in data.coefficients.items()
    )
    return f"Runs by compute and size with contours of the loss. Size of least loss at 1e21 FLOPs: {'; '.join(ends)}."


ISOFLOP = Figure(
    title="Loss against size at nine budgets", of="chinchilla", has_data=has_data, draw=draw_isoflop,
    caption=_caption_isoflop, alt=_alt_isoflop, size=(5.0, 4.6),
)  # fmt: skip
SURFACE = Figure(
    title="The loss surface", of="chinchilla", has_data=has_data, draw=draw_surface, caption=_caption_surface,
    alt=_alt_surface,
)  # fmt: skip
ALLOCATION = Figure(
    title="Tokens per parameter of least loss", of="chinchilla", has_data=has_data, draw=draw_allocation,
    caption=_caption_allocation, alt=_alt_allocation,
)  # fmt: skip

FIGURES = {
    "chinchilla_allocation": ALLOCATION,
    "chinchilla_isoflop": ISOFLOP,
    "chinchilla_surface": SURFACE,
}
"""Name of its files -> figure."""
