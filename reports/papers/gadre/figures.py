"""arXiv 2403.08540 redrawn: loss against compute by tokens per parameter, and errors of what five runs predict."""

from functools import partial
from typing import Any

import numpy as np

from planners.records.quantity import format_quantity
from reports.page.figure import FAINT, INK, SERIES, Axes, Figure, log_scale, points
from reports.page.number_text import flops, general, listed
from reports.papers.figure_parts import POINTS, label_axes, shades, text_at_end
from reports.papers.gadre.claims import error_range, errors_by_ratio
from reports.papers.gadre.study import DATASETS, LAW, PUBLISHED_ERRORS, USUAL, Gadre

RING: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 10, "markerfacecolor": "none", "color": INK}
"""Around a run that the law was fitted to."""


def draw_compute(data: Gadre, axes: Axes, name: str) -> None:
    """Draw loss against C, one line for each number of tokens per parameter; the five fitted runs are ringed."""
    one = data.on(name)
    C, ratios = 6 * one.N * one.D, np.unique(one.M)
    span = np.geomspace(C.min() / 2, C.max() * 2, 80)
    for M, color in zip(ratios, shades(len(ratios)), strict=True):
        mine, N = one.M == M, np.sqrt(span / 6 / M)
        axes.plot(span, LAW.loss(one.params, {"N": N, "D": M * N}), color=color, linewidth=1.1, zorder=2)
        axes.plot(C[mine], one.loss[mine], color=color, gid=f"runs M {M:g}", label=f"{M:g}", **POINTS)
    axes.plot(C[one.fitted], one.loss[one.fitted], label="fitted", zorder=4, gid="fitted", **RING)
    log_scale(axes.xaxis, flops)
    log_scale(axes.yaxis, general(3), (2.5, 3, 4, 5, 6))
    legend = "tokens per parameter D / N; lines: our fit of the ringed runs"
    label_axes(axes, "training compute  C = 6 N D  (FLOPs)", "loss on C4  (nats/token)", columns=5, title=legend)


def draw_errors(data: Gadre, axes: Axes) -> None:
    """Draw the relative error of what the five runs predict, against tokens per parameter."""
    axes.axhline(0, color=FAINT, linewidth=1, zorder=1)
    for one, mark in zip(data.trained, SERIES, strict=False):
        size = 4 + 6 * (np.log(one.N) - np.log(one.N.min())) / np.ptp(np.log(one.N))
        for at in np.flatnonzero(~one.fitted).tolist():
            place, gid = ([one.M[at]], [one.errors[at]]), f"error {one.name} {at}"
            points(axes, *place, mark, float(size[at]), markerfacecolor="none", zorder=2, gid=gid)
        points(axes, [], [], mark, 7, markerfacecolor="none", label=f"trained on {one.label}")
    for (name, model, M), error in PUBLISHED_ERRORS.items():
        axes.plot([M], [error], marker="x", color=INK, linestyle="none", zorder=4, label="the paper's two predictions")
        text_at_end(axes, format_quantity(data.size(name, model)), (M, error))
    log_scale(axes.xaxis, general(4), (5, 10, 20, 40, 80, 160, 320, 640))
    axes.margins(x=0.12)
    label_axes(axes, "tokens per parameter  D / N", "predicted over measured loss − 1  (%)")


def _caption_compute(data: Gadre, name: str) -> str:
    one = data.on(name)
    return (
        f"{one.label}: loss against compute (log axes) by tokens per parameter, n = {len(one.loss)} runs of "
        f"{len(np.unique(one.model))} models. The lines have one exponent and are fitted to the "
        f"{int(one.fitted.sum())} ringed runs by least squares of the loss. Relative error of the lines: "
        f"{errors_by_ratio([one])}."
    )


def _alt_compute(data: Gadre, name: str) -> str:
    one = data.on(name)
    lowest = listed(f"{M:g}: {one.loss[one.M == M].min():.3f}" for M in np.unique(one.M))
    return f"Loss falls with compute on parallel lines. Lowest loss by tokens per parameter: {lowest}."


def _caption_errors(data: Gadre) -> str:
    n = sum(int((~one.fitted).sum()) for one in data.trained)
    return (
        f"Relative error of the loss that five runs predict for the {n} others, against tokens per parameter (log "
        "axis); larger markers are larger models. Crosses: the two errors that the paper gives, on RedPajama. Errors "
        f"by tokens per parameter: {errors_by_ratio(data.trained)}."
    )


def _alt_errors(data: Gadre) -> str:
    said = "; ".join(f"{one.label} {error_range(one.from_usual)}" for one in data.trained)
    return f"Errors from {USUAL:g} tokens per parameter on: {said}."


def _compute_figure(name: str) -> Figure[Gadre]:
    return Figure(
        title=f"Loss against compute: {DATASETS[name]}",
        draw=partial(draw_compute, name=name),
        caption=partial(_caption_compute, name=name),
        alt=partial(_alt_compute, name=name),
        size=(5.0, 4.4),
    )


FIGURES = {
    "gadre_errors": Figure(title="What five runs predict", draw=draw_errors, caption=_caption_errors, alt=_alt_errors),
    "gadre_c4": _compute_figure("c4_original"),
    "gadre_redpajama": _compute_figure("rpj"),
}
"""File name -> figure; the first stands next to the answer."""
