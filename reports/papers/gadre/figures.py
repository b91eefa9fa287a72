"""arXiv 2403.08540 redrawn: loss against compute by tokens per parameter, and what five runs foretell of the others."""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from planners.records.quantity import format_quantity
from reports.page.figure import FAINT, INK, SERIES, Figure
from reports.page.number_text import flops, general, listed
from reports.page.scales import log_scale
from reports.papers.figure_parts import beside_line, legend_above, shades
from reports.papers.gadre.study import DATASETS, PUBLISHED_ERRORS, USUAL, Gadre, Trained, by_ratio, ends, law

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def trained(data: Gadre, name: str) -> Trained:
    """Return the runs on a training set."""
    return next(one for one in data.trained if one.name == name)


def draw_compute(data: Gadre, axes: "Axes", name: str) -> None:
    """Draw loss against C, one line for each number of tokens per parameter; the five runs of the fit are ringed."""
    one = trained(data, name)
    C = 6 * one.N * one.D
    span = np.geomspace(C.min() / 2, C.max() * 2, 80)
    ratios = np.unique(one.M)
    for M, color in zip(ratios, shades(len(ratios)), strict=True):
        mine = one.M == M
        N = np.sqrt(span / 6 / M)
        line = law().loss(one.params, {"N": N, "D": M * N})
        axes.plot(span, line, color=color, linewidth=1.1, zorder=2)
        axes.plot(
            C[mine], one.loss[mine], linestyle="none", marker="o", markersize=4.5, color=color, zorder=3,
            gid=f"runs M {M:g}", label=f"{M:g}",
        )  # fmt: skip
    ring: dict[str, Any] = {
        "linestyle": "none",
        "marker": "o",
        "markersize": 10,
        "markerfacecolor": "none",
        "color": INK,
    }
    axes.plot(C[one.fitted], one.loss[one.fitted], label="fitted", zorder=4, gid="fitted", **ring)
    log_scale(axes.xaxis, flops)
    log_scale(axes.yaxis, general(3), (2.5, 3, 4, 5, 6))
    axes.set_xlabel("training compute  C = 6 N D  (FLOPs)")
    axes.set_ylabel("loss on C4  (nats/token)")
    legend_above(axes, columns=5, title="tokens per parameter D / N; lines: our fit of the ringed runs")


def draw_errors(data: Gadre, axes: "Axes") -> None:
    """Draw the relative error of what the five runs foretell, against tokens per parameter."""
    axes.axhline(0, color=FAINT, linewidth=1, zorder=1)
    for one, mark in zip(data.trained, SERIES, strict=False):
        rest = ~one.fitted
        size = 4 + 6 * (np.log(one.N) - np.log(one.N.min())) / np.ptp(np.log(one.N))
        for at in np.flatnonzero(rest).tolist():
            axes.plot(
                [one.M[at]], [one.errors[at]], linestyle="none", marker=mark.marker, markersize=float(size[at]),
                color=mark.color, markerfacecolor="none", zorder=2, gid=f"error {one.name} {at}",
            )  # fmt: skip
        label = f"trained on {DATASETS[one.name]}"
        axes.plot([], [], linestyle="none", marker=mark.marker, color=mark.color, markerfacecolor="none", label=label)
    for (name, model, M), error in PUBLISHED_ERRORS.items():
        found = trained(data, name)
        at = int(np.flatnonzero((found.model == model) & (found.M == M))[0])
        text = format_quantity(float(found.N[at]))
        axes.plot([M], [error], marker="x", color=INK, linestyle="none", zorder=4, label="the paper's two predictions")
        beside_line(axes, text, (M, error))
    log_scale(axes.xaxis, general(4), (5, 10, 20, 40, 80, 160, 320, 640))
    axes.margins(x=0.12)
    axes.set_xlabel("tokens per parameter  D / N")
    axes.set_ylabel("foretold over measured loss − 1  (%)")
    legend_above(axes)


def has_data(data: Gadre) -> bool:
    """Whether there are runs."""
    return bool(data.trained)


def _caption_compute(data: Gadre, name: str) -> str:
    one = trained(data, name)
    return (
        f"{DATASETS[name]}: loss against compute (log axes) by tokens per parameter, n = {len(one.loss)} runs of "
        f"{len(np.unique(one.model))} models. The lines have one exponent and are fitted to the "
        f"{int(one.fitted.sum())} ringed runs by least squares of the loss. Line over run less one: "
        f"{by_ratio([one])}."
    )


def _alt_compute(data: Gadre, name: str) -> str:
    one = trained(data, name)
    ratios = (f"{M:g}: {one.loss[one.M == M].min():.3f}" for M in np.unique(one.M))
    return f"Loss falls with compute on parallel lines. Lowest loss by tokens per parameter: {listed(ratios)}."


def _caption_errors(data: Gadre) -> str:
    n = sum(int((~one.fitted).sum()) for one in data.trained)
    return (
        f"Relative error of the loss that five runs foretell for the {n} others, against tokens per parameter (log "
        "axis); larger markers are larger models. Crosses: the two errors that the paper gives, on RedPajama. Errors "
        f"by tokens per parameter: {by_ratio(data.trained)}."
    )


def _alt_errors(data: Gadre) -> str:
    def said(one: Trained) -> str:
        return f"{DATASETS[one.name]} {ends(one.errors[~one.fitted & (one.M >= USUAL)])}"

    return f"Errors from {USUAL:g} tokens per parameter on: {'; '.join(map(said, data.trained))}."


def _compute(name: str) -> Figure[Gadre]:
    return Figure(
        title=f"Loss against compute: {DATASETS[name]}", of="gadre", has_data=has_data,
        draw=partial(draw_compute, name=name), caption=partial(_caption_compute, name=name),
        alt=partial(_alt_compute, name=name), size=(5.0, 4.4),
    )  # fmt: skip


C4, REDPAJAMA = (_compute(name) for name in DATASETS)
ERRORS = Figure(
    title="What five runs foretell", of="gadre", has_data=has_data, draw=draw_errors, caption=_caption_errors,
    alt=_alt_errors,
)  # fmt: skip

FIGURES = {
    "gadre_errors": ERRORS,
    "gadre_c4": C4,
    "gadre_redpajama": REDPAJAMA,
}
"""Name of its files -> figure."""
