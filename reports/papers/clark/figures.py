"""arXiv 2202.01169 redrawn: loss against experts for each router, and where its law says that routing stops helping."""

from functools import partial

import numpy as np

from planners.records.quantity import format_quantity
from reports.page.figure import INK, SERIES, Axes, Figure, log_scale
from reports.page.number_text import counted, listed
from reports.papers.clark.study import CUTOFFS, LAW, PRINTED, TOKENS, Clark, cutoff
from reports.papers.figure_parts import AS_PRINTED, LOSS, POINTS, label_axes, legend_of_fit, shades, text_at_end


def draw_router(data: Clark, axes: Axes, name: str) -> None:
    """Draw loss against experts, one colour for each dense size: runs, our law, and the law of table 3."""
    one, experts = data.router(name), np.geomspace(1, 512, 60)
    for size, color in zip(one.sizes, shades(len(one.sizes)), strict=True):
        at = {"N_a": np.full_like(experts, size), "n_experts": experts}
        ours, mine, label = LAW.loss(one.params, at), one.N_a == size, format_quantity(size)
        axes.plot(experts, LAW.loss(PRINTED[name].params, at), **AS_PRINTED)
        axes.plot(experts, ours, color=color, linewidth=1.3, zorder=2)
        axes.plot(one.experts[mine], one.loss[mine], color=color, gid=f"runs {label}", **POINTS)
        text_at_end(axes, label, (experts[-1], ours[-1]))
    log_scale(axes.xaxis, "{:.0f}".format, [2.0**i for i in range(10)])
    axes.margins(x=0.1)
    legend_of_fit(axes, "dense size")
    label_axes(axes, "experts per layer (1: dense)", LOSS)


def draw_cutoffs(data: Clark, axes: Axes) -> None:
    """Draw, for each router, the dense size at which routing stops helping: ours, from table 3, and as stated."""
    for at, one in enumerate(data.routers):
        axes.plot(one.cutoff_ends, [at, at], color=INK, linewidth=2, label="our fit, 95 % interval", zorder=2)
        printed = (
            ("our fit", one.cutoff, 0.0, "o", INK),
            ("coefficients of table 3", cutoff(PRINTED[one.name].params), -0.2, SERIES[0].marker, SERIES[0].color),
            ("stated in the text", CUTOFFS[one.name], 0.2, SERIES[1].marker, SERIES[1].color),
        )
        for label, value, shift, marker, color in printed:
            axes.plot([value], [at + shift], label=label, zorder=4, marker=marker, color=color, linestyle="none")
    axes.set_yticks(range(len(data.routers)), [one.name for one in data.routers])
    axes.set_ylim(len(data.routers) - 0.5, -0.5)
    log_scale(axes.xaxis, format_quantity)
    label_axes(axes, "dense size at which more experts stop helping  (parameters)")


def _caption_router(data: Clark, name: str) -> str:
    one = data.router(name)
    return (
        f"{name}: validation loss against experts (log axis) for {counted(len(one.sizes), 'dense size')}, n "
        f"= {len(one.loss)} runs, dense ones at 1. Solid: our fit. Dashed grey: table 3 of the paper, whose two or "
        f"three digits move the curves. Every run saw {format_quantity(TOKENS)} tokens, so the law says nothing about "
        "fewer or more."
    )


def _alt_router(data: Clark, name: str) -> str:
    one = data.router(name)
    losses = {size: one.loss[one.N_a == size] for size in one.sizes}
    ends = listed(f"{format_quantity(size)}: {loss.max():.3f} to {loss.min():.3f}" for size, loss in losses.items())
    return f"{name}: the loss falls with experts, less for larger models. Range by dense size: {ends}."


def _caption_cutoffs(data: Clark) -> str:
    largest = format_quantity(max(one.sizes[-1] for one in data.routers))
    return (
        "The size at which d log L / d log experts is zero, 10^(-b / c). Bars: 95 % interval of our fit, "
        f"{len(data.routers[0].draws.values)} bootstrap draws. It is a ratio of two coefficients, and the paper's "
        f"table prints one of them with one digit. All sizes lie beyond the largest model that was trained, {largest}."
    )


def _alt_cutoffs(data: Clark) -> str:
    write = format_quantity
    texts = (
        f"{one.name}: ours {write(one.cutoff)} ({write(one.cutoff_ends[0])} to {write(one.cutoff_ends[1])}), stated "
        f"{write(CUTOFFS[one.name])}"
        for one in data.routers
    )
    return f"Dense size at which routing stops helping. {'; '.join(texts)}."


def _router_figure(name: str) -> Figure[Clark]:
    return Figure(
        title=f"Loss against experts: {name}",
        draw=partial(draw_router, name=name),
        caption=partial(_caption_router, name=name),
        alt=partial(_alt_router, name=name),
        size=(5.0, 4.2),
    )


FIGURES = {
    "clark_sbase": _router_figure("S-Base"),
    "clark_rlr": _router_figure("RL-R"),
    "clark_hash": _router_figure("Hash"),
    "clark_cutoff": Figure(
        title="Where routing stops helping",
        draw=draw_cutoffs,
        caption=_caption_cutoffs,
        alt=_alt_cutoffs,
        size=(5.0, 2.9),
    ),
}
"""File name -> figure; the first stands next to the answer."""
