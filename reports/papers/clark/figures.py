"""arXiv 2202.01169 redrawn: loss against experts for each router, and where its law says that routing stops helping."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from planners.records.quantity import format_quantity
from reports.page.figure import FAINT, INK, SERIES, Figure
from reports.page.number_text import counted, listed
from reports.page.scales import log_scale
from reports.papers.clark.study import CUTOFFS, PRINTED, Clark, Router, cutoff, law
from reports.papers.figure_parts import beside_line, legend_above, shades

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def router(data: Clark, name: str) -> Router:
    """Return a router by name."""
    return next(one for one in data.routers if one.name == name)


def draw_router(data: Clark, axes: "Axes", name: str) -> None:
    """Draw loss against experts, one colour for each dense size: runs, our law, and that of table 3."""
    one = router(data, name)
    sizes = np.unique(one.N_a)
    experts = np.geomspace(1, 512, 60)
    for size, color in zip(sizes, shades(len(sizes)), strict=True):
        at = {"N_a": np.full_like(experts, size), "n_experts": experts}
        printed = law().loss(PRINTED[name].params, at)
        axes.plot(experts, printed, color=FAINT, linestyle=(0, (3, 1.5)), linewidth=1.1, zorder=1)
        ours = law().loss(one.params, at)
        axes.plot(experts, ours, color=color, linewidth=1.3, zorder=2)
        mine = one.N_a == size
        axes.plot(
            one.experts[mine], one.loss[mine], linestyle="none", marker="o", markersize=4.5, color=color, zorder=3,
            gid=f"runs {format_quantity(size)}",
        )  # fmt: skip
        beside_line(axes, format_quantity(float(size)), (experts[-1], ours[-1]))
    axes.plot([], [], color=INK, linewidth=1.3, marker="o", markersize=4.5, label="runs and our fit, by dense size")
    axes.plot([], [], color=FAINT, linestyle=(0, (3, 1.5)), linewidth=1.1, label="coefficients as printed")
    log_scale(axes.xaxis, "{:.0f}".format, [2.0**i for i in range(0, 10)])
    axes.margins(x=0.1)
    axes.set_xlabel("experts a layer (1: dense)")
    axes.set_ylabel("loss  (nats/token)")
    legend_above(axes)


def draw_cutoffs(data: Clark, axes: "Axes") -> None:
    """Draw, for each router, the dense size at which routing stops helping: ours, from table 3, and as stated."""
    for at, one in enumerate(data.routers):
        low, high = one.cutoff_ends
        bar = axes.plot([low, high], [at, at], color=INK, linewidth=2, label="our fit, 95 % interval", zorder=2)
        axes.plot([one.cutoff], [at], marker="o", color=bar[0].get_color(), linestyle="none", zorder=3, label="our fit")
        for (label, value, off), mark in zip(_printed(one.name), SERIES, strict=False):
            axes.plot(
                [value], [at + off], label=label, zorder=4, marker=mark.marker, color=mark.color, linestyle="none"
            )
    axes.set_yticks(range(len(data.routers)), [one.name for one in data.routers])
    axes.set_ylim(len(data.routers) - 0.5, -0.5)
    log_scale(axes.xaxis, format_quantity)
    axes.set_xlabel("dense size at which more experts stop helping  (parameters)")
    legend_above(axes)


def _printed(name: str) -> tuple[tuple[str, float, float], ...]:
    """Return what the paper gives of a router's cutoff: label, size, and how far above or below our bar it is drawn."""
    ratio = cutoff(PRINTED[name].params)
    return ("coefficients of table 3", ratio, -0.2), ("stated in the text", CUTOFFS[name], 0.2)


def has_data(data: Clark) -> bool:
    """Whether there are runs."""
    return bool(data.routers)


def _caption_router(data: Clark, name: str) -> str:
    one = router(data, name)
    return (
        f"{name}: validation loss against experts (log axis) for {counted(len(np.unique(one.N_a)), 'dense size')}, n "
        f"= {len(one.loss)} runs, dense ones at 1. Solid: our fit. Dashed grey: table 3 of the paper, whose two or "
        "three digits move the curves. Every run saw 130B tokens, so the law says nothing of fewer or more."
    )


def _alt_router(data: Clark, name: str) -> str:
    one = router(data, name)
    ends = (
        f"{format_quantity(float(size))}: {one.loss[one.N_a == size].max():.3f} to "
        f"{one.loss[one.N_a == size].min():.3f}"
        for size in np.unique(one.N_a)
    )
    return f"{name}: the loss falls with experts, less for larger models. Range by dense size: {listed(ends)}."


def _caption_cutoffs(data: Clark) -> str:
    return (
        "The size at which d log L / d log experts is zero, 10^(-b / c). Bars: 95 % interval of our fit, "
        f"{len(data.routers[0].draws.values)} bootstrap draws. It is a ratio of two coefficients, and one of them has "
        "one digit in the paper's table; all sizes lie beyond the largest model that was trained, 1.3B."
    )


def _alt_cutoffs(data: Clark) -> str:
    texts = (
        f"{one.name}: ours {format_quantity(one.cutoff)} ({format_quantity(one.cutoff_ends[0])} to "
        f"{format_quantity(one.cutoff_ends[1])}), stated {format_quantity(CUTOFFS[one.name])}"
        for one in data.routers
    )
    return f"Dense size at which routing stops helping. {'; '.join(texts)}."


def _figure(name: str) -> Figure[Clark]:
    return Figure(
        title=f"Loss against experts: {name}", of="clark", has_data=has_data, draw=partial(draw_router, name=name),
        caption=partial(_caption_router, name=name), alt=partial(_alt_router, name=name), size=(5.0, 4.2),
    )  # fmt: skip


S_BASE, RL_R, HASH = (_figure(name) for name in PRINTED)
CUTOFF = Figure(
    title="Where routing stops helping", of="clark", has_data=has_data, draw=draw_cutoffs, caption=_caption_cutoffs,
    alt=_alt_cutoffs, size=(5.0, 2.9),
)  # fmt: skip

FIGURES = {
    "clark_sbase": S_BASE,
    "clark_rlr": RL_R,
    "clark_hash": HASH,
    "clark_cutoff": CUTOFF,
}
"""Name of its files -> figure."""
