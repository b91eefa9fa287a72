"""arXiv 2406.19146 redrawn: optimal size against compute, its exponent step by step, and IsoFLOP curves."""

from typing import TYPE_CHECKING, Any

import numpy as np

from planners.records.quantity import format_quantity
from reports.page.figure import FAINT, INK, QUIET, SERIES, Figure
from reports.page.number_text import counted, flops, general
from reports.page.scales import log_scale
from reports.papers.figure_parts import beside_line, legend_above, shades
from reports.papers.porian.study import HOFFMANN, KAPLAN, NEAR, TUNED, Porian, Setting

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ADDED = f"Each step adds a correction to the one before, except for the last ({TUNED}), which starts from the warm-up."
"""How the steps hang together."""


def draw_sizes(data: Porian, axes: "Axes") -> None:
    """Draw the published optima against C with our line for each step."""
    for (label, step), mark in zip(data.steps.items(), SERIES, strict=False):
        style: dict[str, Any] = {"color": mark.color, "zorder": 3}
        axes.plot(step.C, step.N, linestyle="none", marker=mark.marker, markersize=5, gid=f"optima {label}", **style)
        C = np.geomspace(step.C.min(), step.C.max() * 1.3, 2)
        line = step.plain.factor * C**step.plain.value
        axes.plot(C, line, linestyle=mark.line, linewidth=1.3, **style)
        entry: dict[str, Any] = {"linestyle": mark.line, "marker": mark.marker, "markersize": 5, "color": mark.color}
        axes.plot([], [], label=f"{label}: {step.plain.value:.3f}", **entry)
    log_scale(axes.xaxis, flops)
    log_scale(axes.yaxis, format_quantity)
    axes.set_xlabel("training compute  C  (FLOPs)")
    axes.set_ylabel("parameters of least loss  N")
    legend_above(axes, columns=1)


def draw_exponents(data: Porian, axes: "Axes") -> None:
    """Draw the exponent at each step: from the published optima, from our own, and as printed."""
    rows = list(data.steps.items())
    for at, (_, step) in enumerate(rows):
        for slope, off, mark, label in (
            (step.plain, -0.15, SERIES[0], "published optima, our slope"),
            (step.own, 0.15, SERIES[1], "our parabolas, our slope"),
        ):
            axes.plot([slope.lo, slope.hi], [at + off] * 2, color=mark.color, linewidth=2, zorder=2)
            dot: dict[str, Any] = {
                "marker": mark.marker,
                "markersize": 5.5,
                "color": mark.color,
                "linestyle": "none",
                "zorder": 3,
            }
            axes.plot([slope.value], [at + off], label=f"{label}, 95 %", **dot)
        axes.plot([step.printed[0]], [at - 0.15], marker="x", color=INK, linestyle="none", zorder=4, label="as printed")
    for value, name in ((KAPLAN, "Kaplan et al."), (HOFFMANN, "Hoffmann et al.")):
        axes.axvline(value, color=FAINT, linewidth=1, linestyle=(0, (3, 2)), zorder=1)
        axes.annotate(f" {name} {value:.2g}", (value, -0.62), fontsize=7.5, color=QUIET, va="center")
    axes.set_yticks(range(len(rows)), [_folded(label) for label, _ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.8)
    axes.set_xlabel("exponent a of  N ∝ C^a")
    legend_above(axes, columns=1)


def _folded(label: str) -> str:
    """Return a label on two lines."""
    words = label.split()
    middle = (len(words) + 1) // 2
    return " ".join(words[:middle]) + "\n" + " ".join(words[middle:])


def last(data: Porian) -> Setting:
    """Return the setting of the last step."""
    return data.steps[TUNED]


def draw_isoflop(data: Porian, axes: "Axes") -> None:
    """Draw the IsoFLOP points of the last step, our minima and the published ones."""
    step = last(data)
    C, N, loss = step.points
    budgets, top = np.unique(C), min(loss.max(), step.minima[2].max() + 1.0)
    for budget, color in zip(budgets, shades(len(budgets)), strict=True):
        order = np.argsort(N[budget == C])
        x, y = N[budget == C][order], loss[budget == C][order]
        axes.plot(x, y, color=color, linewidth=0.9, marker="o", markersize=2.5, zorder=2, gid=f"points {flops(budget)}")
        last_seen = int(np.flatnonzero(y < top)[-1])
        beside_line(axes, flops(budget), (x[last_seen], y[last_seen]))
    minima: dict[str, Any] = {"linestyle": "none", "markerfacecolor": "none", "zorder": 4}
    axes.plot(step.minima[1], step.minima[2], marker="o", color=INK, markersize=8, label="our minimum", **minima)
    published = np.array([step.minima[2][np.argmin(np.abs(step.minima[0] / each - 1))] for each in step.C])
    axes.plot(step.N, published, marker="|", color=SERIES[1].color, markersize=13, markeredgewidth=2, linestyle="none",
              zorder=5, label="published optimum (size)")  # fmt: skip
    log_scale(axes.xaxis, format_quantity)
    axes.set_ylim(step.minima[2].min() - 0.1, top)
    axes.margins(x=0.14)
    axes.set_xlabel("parameters  N")
    axes.set_ylabel("loss  (nats/token)")
    legend_above(axes)


def has_data(data: Porian) -> bool:
    """Whether there are settings of the figure."""
    return bool(data.steps)


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
        f"IsoFLOP points within a factor {np.exp(NEAR):.1f} of the lowest one. The published optima come of "
        "interpolation and bootstrap."
    )


def _caption_isoflop(data: Porian) -> str:
    step = last(data)
    return (
        f"IsoFLOP curves of the last step, {TUNED}: loss against N (log axis) at "
        f"{counted(len(np.unique(step.points[0])), 'budget')}, n = {len(step.points[2])} points. Rings: minima of our "
        "parabolas; bars: sizes of the published optima."
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
    step = last(data)
    low, high = (format_quantity(float(end)) for end in (step.minima[1].min(), step.minima[1].max()))
    return f"Valleys of loss over size at each budget; our minima run from {low} to {high} parameters."


SIZES = Figure(
    title="Optimal size against compute", of="porian", has_data=has_data, draw=draw_sizes, caption=_caption_sizes,
    alt=_alt_exponents, size=(5.0, 4.8),
)  # fmt: skip
EXPONENTS = Figure(
    title="The exponent, step by step", of="porian", has_data=has_data, draw=draw_exponents,
    caption=_caption_exponents, alt=_alt_exponents, size=(5.0, 4.4),
)  # fmt: skip
ISOFLOP = Figure(
    title=f"IsoFLOP curves, {TUNED}", of="porian", has_data=has_data, draw=draw_isoflop,
    caption=_caption_isoflop, alt=_alt_isoflop, size=(5.0, 4.6),
)  # fmt: skip

FIGURES = {
    "porian_exponents": EXPONENTS,
    "porian_sizes": SIZES,
    "porian_isoflop": ISOFLOP,
}
"""Name of its files -> figure."""
