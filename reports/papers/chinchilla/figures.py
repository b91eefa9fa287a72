"""arXiv 2203.15556, figures 3 and 4 redrawn: IsoFLOP curves, the loss surface, and tokens per parameter by budget."""

import numpy as np

from planners.records.quantity import format_quantity
from reports.page.figure import BAND, FAINT, INK, Axes, Figure, log_scale
from reports.page.number_text import flops, general, percent
from reports.papers.chinchilla.study import (
    BUDGETS,
    CHINCHILLA,
    CHINCHILLA_TOKENS,
    LAW,
    LONGER,
    NEAR,
    ROUNDED,
    Chinchilla,
    optimal_size,
    tokens_per_parameter,
)
from reports.papers.figure_parts import (
    AS_PRINTED,
    COMPUTE,
    LOSS,
    OURS,
    POINTS,
    label_axes,
    legend_of_fit,
    printed_line,
    shades,
    text_at_end,
)

LEVELS = (2.0, 2.1, 2.2, 2.3, 2.5, 2.7, 3.0, 3.5, 4.0)
"""Losses of the contours, nats per token."""
SIZES_AT = 1e21
"""Compute at which the surface is put into words, FLOPs."""


def draw_isoflop(data: Chinchilla, axes: Axes) -> None:
    """Draw loss against N at the nine budgets: runs, our curve, and the curve of the printed coefficients."""
    for C, color in zip(BUDGETS, shades(len(BUDGETS)), strict=True):
        near = data.near(C)
        if not near.any():
            continue
        N = np.geomspace(data.N[near].min() / 1.15, data.N[near].max() * 1.15, 60)
        at = {"N": N, "D": C / 6 / N}
        ours = LAW.loss(data.params, at)
        axes.plot(N, LAW.loss(ROUNDED.params, at), **AS_PRINTED)
        axes.plot(N, ours, color=color, linewidth=1.3, gid=f"fit {flops(C)}", zorder=2)
        axes.plot(data.N[near], data.loss[near], gid=f"runs {flops(C)}", color=color, **POINTS)
        text_at_end(axes, flops(C), (N[-1], ours[-1]))
    log_scale(axes.xaxis, format_quantity)
    axes.margins(x=0.09)
    legend_of_fit(axes, "C (FLOPs)")
    label_axes(axes, "parameters  N", LOSS)


def draw_surface(data: Chinchilla, axes: Axes) -> None:
    """Draw the runs on C and N with contours of our loss, and the lines of lowest loss."""
    C = np.geomspace(data.C.min() / 2, data.C.max() * 3, 90)
    N = np.geomspace(data.N.min() / 2, data.N.max() * 3, 90)
    loss = LAW.loss(data.params, {"N": np.repeat(N, len(C)), "D": (C[None] / 6 / N[:, None]).ravel()})
    lines = axes.contour(C, N, loss.reshape(len(N), len(C)), levels=LEVELS, colors=FAINT, linewidths=0.8)
    axes.clabel(lines, fontsize=7, fmt="%.1f", colors=INK)
    axes.scatter(data.C, data.N, c=data.loss, cmap="viridis", s=16, linewidths=0, zorder=2, gid="runs")
    for i, (name, params) in enumerate(data.coefficients.items()):
        axes.plot(C, optimal_size(params, C), label=f"lowest loss, {name}", **(printed_line(i - 1) if i else OURS))
    log_scale(axes.xaxis, flops)
    log_scale(axes.yaxis, format_quantity)
    axes.set_xlim(C[0], C[-1])
    axes.set_ylim(N[0], N[-1])
    label_axes(axes, COMPUTE, "parameters  N")


def draw_allocation(data: Chinchilla, axes: Axes) -> None:
    """Draw the tokens per parameter of lowest loss against C: our fit with its band, and the printed coefficients."""
    C = np.geomspace(data.C.min(), 3 * CHINCHILLA, 40)
    low, high = np.array([data.ratio_ends(float(each)) for each in C]).T
    axes.fill_between(C, low, high, color=BAND, alpha=0.5, linewidth=0, label="95 % band of our fit", zorder=1)
    for i, (name, params) in enumerate(data.coefficients.items()):
        axes.plot(C, tokens_per_parameter(params, C), label=name, **(printed_line(i - 1) if i else OURS))
    trained = CHINCHILLA_TOKENS / (CHINCHILLA / 6 / CHINCHILLA_TOKENS)
    label = f"70B on {format_quantity(CHINCHILLA_TOKENS)} tokens"
    axes.plot([CHINCHILLA], [trained], marker="*", markersize=12, color=INK, linestyle="none", label=label)
    axes.axvspan(data.C.min(), data.C.max(), ymax=0.02, color=INK, linewidth=0, zorder=4)
    log_scale(axes.xaxis, flops)
    log_scale(axes.yaxis, general(4), (5, 10, 20, 50, 100, 200))
    label_axes(axes, COMPUTE, "tokens per parameter  D / N")


def _caption_isoflop(data: Chinchilla) -> str:
    shown = int(sum(data.near(C).sum() for C in BUDGETS))
    return (
        f"Loss against N (log axis) of the {shown} of {len(data.loss)} runs that lie within {percent(NEAR)} of the "
        f"{len(BUDGETS)} budgets of the paper. Solid: our fit of the law to all runs. Dashed grey: the coefficients as "
        "the paper prints them, which lie above the runs. The points were read off the paper's figure 4."
    )


def _caption_surface(data: Chinchilla) -> str:
    return (
        f"The {len(data.loss)} runs by compute and size (log axes), darker where the loss is lower. Contours: loss of "
        "our fit in nats per token. Lines: the size of lowest loss at each C, by our coefficients and by each printed "
        "set."
    )


def _caption_allocation(data: Chinchilla) -> str:
    longer, rounded = (float(tokens_per_parameter(one.params, CHINCHILLA)) for one in (LONGER, ROUNDED))
    return (
        "Tokens per parameter of lowest loss against compute (log axes). The band is the 95 % interval of our fit of "
        f"n = {len(data.loss)} runs, {len(data.draws.values)} bootstrap draws. The black bar at the foot is the range "
        "of the runs; everything beyond it is extrapolated. Rounding the exponents to two digits moves the printed law "
        f"from {longer:.0f} to {rounded:.0f} tokens per parameter at the compute of the 70B model."
    )


def _alt_allocation(data: Chinchilla) -> str:
    ratios = {name: float(tokens_per_parameter(params, CHINCHILLA)) for name, params in data.coefficients.items()}
    words = "; ".join(f"{name} {ratio:.1f}" for name, ratio in ratios.items())
    return f"Tokens per parameter of lowest loss at {flops(CHINCHILLA)} FLOPs: {words}."


def _alt_isoflop(data: Chinchilla) -> str:
    counts = ", ".join(f"{int(data.near(C).sum())} at {flops(C)}" for C in BUDGETS)
    return f"Loss against parameters at {len(BUDGETS)} budgets, each a valley that our curve follows. Runs: {counts}."


def _alt_surface(data: Chinchilla) -> str:
    sizes = {name: float(optimal_size(params, SIZES_AT)) for name, params in data.coefficients.items()}
    words = "; ".join(f"{name} {format_quantity(size)}" for name, size in sizes.items())
    return (
        f"Runs by compute and size with contours of the loss. Size of lowest loss at {flops(SIZES_AT)} FLOPs: {words}."
    )


FIGURES = {
    "chinchilla_allocation": Figure(
        title="Tokens per parameter of lowest loss",
        draw=draw_allocation,
        caption=_caption_allocation,
        alt=_alt_allocation,
    ),
    "chinchilla_isoflop": Figure(
        title="Loss against size at nine budgets",
        draw=draw_isoflop,
        caption=_caption_isoflop,
        alt=_alt_isoflop,
        size=(5.0, 4.6),
    ),
    "chinchilla_surface": Figure(
        title="The loss surface", draw=draw_surface, caption=_caption_surface, alt=_alt_surface
    ),
}
"""File name -> figure; the first stands next to the answer."""
