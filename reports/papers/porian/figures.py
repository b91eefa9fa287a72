"""arXiv 2406.19146 redrawn: optimal size against compute, its exponent step by step, and IsoFLOP curves."""

from typing import Any

import numpy as np

from planners.records.quantity import format_quantity
from reports.page.figure import FAINT, INK, QUIET, SERIES, Axes, Figure, log_scale, points
from reports.page.number_text import counted, flops, general
from reports.papers.figure_parts import COMPUTE, LOSS, label_axes, shades, text_at_end
from reports.papers.porian.claims import HOFFMANN, KAPLAN
from reports.papers.porian.study import NEAR, TUNED, Porian

ADDED = f"Each step adds a correction to the one before, except for the last ({TUNED}), which starts from the warm-up."
"""How the steps build on each other."""


def draw_sizes(data: Porian, axes: Axes) -> None:
    """Draw the published optima against C with our line for each step."""
    for (label, step), mark in zip(data.steps.items(), SERIES, strict=False):
        dots: dict[str, Any] = {"marker": mark.marker, "markersize": 5, "color": mark.color}
        axes.plot(step.C, step.N, linestyle="none", zorder=3, gid=f"optima {label}", **dots)
        C = np.geomspace(step.C.min(), step.C.max() * 1.3, 2)
        line: dict[str, Any] = {"linestyle": mark.line, "linewidth": 1.3}
        axes.plot(C, step.plain.factor * C**step.plain.value, color=mark.color, zorder=3, **line)
        axes.plot([], [], label=f"{label}: {step.plain.value:.3f}", **dots, **line)
    log_scale(axes.xaxis, flops)
    log_scale(axes.yaxis, format_quantity)
    label_axes(axes, COMPUTE, "parameters of lowest loss  N", columns=1)


def draw_exponents(data: Porian, axes: Axes) -> None:
    """Draw the exponent at each step: from the published optima, from our own, and as printed."""
    steps = data.steps
    for at, step in enumerate(steps.values()):
        for slope, shift, mark, label in (
            (step.plain, -0.15, SERIES[0], "published optima, our slope"),
            (step.own, 0.15, SERIES[1], "our parabolas, our slope"),
        ):
            axes.plot([slope.lo, slope.hi], [at + shift] * 2, color=mark.color, linewidth=2, zorder=2)
            points(axes, [slope.value], [at + shift], mark, 5.5, label=f"{label}, 95 %", zorder=3)
        axes.plot([step.printed[0]], [at - 0.15], marker="x", color=INK, linestyle="none", zorder=4, label="as printed")
    for value, name in ((KAPLAN, "Kaplan et al."), (HOFFMANN, "Hoffmann et al.")):
        axes.axvline(value, color=FAINT, linewidth=1, linestyle=(0, (3, 2)), zorder=1)
        axes.annotate(f" {name} {value:.2g}", (value, -0.62), fontsize=7.5, color=QUIET, va="center")
    axes.set_yticks(range(len(steps)), [_folded(label) for label in steps])
    axes.set_ylim(len(steps) - 0.5, -0.8)
    label_axes(axes, "exponent a of  N ∝ C^a", columns=1)


def _folded(text: str) -> str:
    """Return a text on two lines."""
    words = text.split()
    middle = (len(words) + 1) // 2
    return " ".join(words[:middle]) + "\n" + " ".join(words[middle:])


def draw_isoflop(data: Porian, axes: Axes) -> None:
    """Draw the IsoFLOP points of the last step, our minima and the published optima."""
    step = data.steps[TUNED]
    (C, N, loss), (own_C, own_N, own_loss) = step.points, step.minima
    budgets, top = np.unique(C), min(loss.max(), own_loss.max() + 1.0)
    for budget, color in zip(budgets, shades(len(budgets)), strict=True):
        order = np.argsort(N[budget == C])
        x, y = N[budget == C][order], loss[budget == C][order]
        axes.plot(x, y, color=color, linewidth=0.9, marker="o", markersize=2.5, zorder=2, gid=f"points {flops(budget)}")
        last_seen = int(np.flatnonzero(y < top)[-1])
        text_at_end(axes, flops(budget), (x[last_seen], y[last_seen]))
    mark: dict[str, Any] = {"linestyle": "none", "markerfacecolor": "none"}
    axes.plot(own_N, own_loss, marker="o", color=INK, markersize=8, zorder=4, label="our minimum", **mark)
    heights = [own_loss[np.argmin(np.abs(own_C / each - 1))] for each in step.C]
    bar: dict[str, Any] = {"marker": "|", "markersize": 13, "markeredgewidth": 2, "color": SERIES[1].color}
    axes.plot(step.N, heights, zorder=5, label="published optimum (size)", **mark, **bar)
    log_scale(axes.xaxis, format_quantity)
    axes.set_ylim(own_loss.min() - 0.1, top)
    axes.margins(x=0.14)
    label_axes(axes, "parameters  N", LOSS)


def _caption_sizes(data: Porian) -> str:
    n = sum(step.plain.n for step in data.steps.values())
    return (
        f"Published optima of the size at each compute (log axes), n = {n}, at each step of the paper. {ADDED} The "
        "legend gives our least-squares exponent. All runs are on RefinedWeb."
    )


def _caption_exponents(data: Porian) -> str:
    return (
        f"Exponent of the optimal size at each step, with 95 % t intervals. {ADDED} Upper bars: from the published "
        "optima; the crosses are the exponents that come with them. Lower bars: from parabolas that we fit to the "
        f"IsoFLOP points within a factor of {np.exp(NEAR):.1f} of the lowest one. The published optima come from "
        "interpolation and bootstrap."
    )


def _caption_isoflop(data: Porian) -> str:
    C, _, loss = data.steps[TUNED].points
    return (
        f"IsoFLOP curves of the last step, {TUNED}: loss against N (log axis) at "
        f"{counted(len(np.unique(C)), 'budget')}, n = {len(loss)} points. Rings: minima of our parabolas; bars: sizes "
        "of the published optima."
    )


def _alt_exponents(data: Porian) -> str:
    write = general(3)
    texts = (
        f"{label}: printed {write(step.printed[0])}, ours {write(step.plain.value)} ({write(step.plain.lo)} to "
        f"{write(step.plain.hi)}), our parabolas {write(step.own.value)}"
        for label, step in data.steps.items()
    )
    return f"Exponent of the optimal size by step. {'; '.join(texts)}."


def _alt_isoflop(data: Porian) -> str:
    _, N, _ = data.steps[TUNED].minima
    low, high = (format_quantity(float(end)) for end in (N.min(), N.max()))
    return f"Valleys of loss over size at each budget; our minima run from {low} to {high} parameters."


FIGURES = {
    "porian_exponents": Figure(
        title="The exponent, step by step",
        draw=draw_exponents,
        caption=_caption_exponents,
        alt=_alt_exponents,
        size=(5.0, 4.4),
    ),
    "porian_sizes": Figure(
        title="Optimal size against compute",
        draw=draw_sizes,
        caption=_caption_sizes,
        alt=_alt_exponents,
        size=(5.0, 4.8),
    ),
    "porian_isoflop": Figure(
        title=f"IsoFLOP curves, {TUNED}", draw=draw_isoflop, caption=_caption_isoflop, alt=_alt_isoflop, size=(5.0, 4.6)
    ),
}
"""File name -> figure; the first stands next to the answer."""
