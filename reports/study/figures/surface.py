"""The surface r_a*(N, C): the optimum of each size and budget, over the fitted surface."""

import math
from typing import Any

import numpy as np

from planners.records.quantity import format_quantity
from reports.page.figure import FAINT, INK, Axes, Figure, log_axis, log_ticks
from reports.page.number_text import counted, flops, percent
from reports.study.evidence import Evidence
from reports.study.figures.optimum import best_of, placed

GRID = 60
"""Points of the surface along each axis."""
ABOVE: dict[str, Any] = {
    **{"xytext": (0, 8), "textcoords": "offset points", "ha": "center", "va": "bottom", "fontsize": 8},
    "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85},
}
"""Place and look of the numbers of a cell."""


def draw(evidence: Evidence, axes: Axes) -> None:
    """Write r_a* and its interval at each (C, N), over lines of equal r_a* on the fitted surface."""
    cells = [one for one in placed(evidence) if not one.repeats]
    log_axis(axes, "x", [one.C for one in cells], flops, room=1.8)
    log_axis(axes, "y", [one.N for one in cells], format_quantity, room=1.35)
    _lines(evidence, axes)
    axes.plot([one.C for one in cells], [one.N for one in cells], linestyle="none", marker="o", color=INK, gid="cells")
    for one in cells:
        best = best_of(one)
        value = percent(best.value) if best.value else f"{'≤' if best.edge == 'low' else '≥'} end"
        ends = "–".join("open" if end is None else f"{100 * end:.3g}" for end in (best.lo, best.hi))
        axes.annotate(f"{value}\n({ends})", (one.C, one.N), **ABOVE)
    axes.set_xlabel("training compute  C  (FLOPs)")
    axes.set_ylabel("parameters  N")


def _lines(evidence: Evidence, axes: Axes) -> None:
    """Draw lines of equal r_a* where the fit has a gradient in ln C and in ln N."""
    found = evidence.constancy
    slopes = {} if found is None else {slope.by: slope.value for slope in found.slopes}
    if found is None or set(slopes) != {"C", "N"}:
        return
    known = [
        (math.log(cell.C), math.log(cell.N), math.log(cell.value))
        for cell in found.cells
        if cell.C and cell.N and cell.value
    ]
    level = sum(value - slopes["C"] * c - slopes["N"] * n for c, n, value in known) / len(known)
    c, n = np.meshgrid(
        *(np.linspace(math.log(limits[0]), math.log(limits[1]), GRID) for limits in (axes.get_xlim(), axes.get_ylim()))
    )
    rates = np.exp(level + slopes["C"] * c + slopes["N"] * n)
    ticks = log_ticks(float(rates.min()), float(rates.max()))
    drawn = axes.contour(np.exp(c), np.exp(n), rates, levels=ticks, colors=FAINT, linewidths=1, linestyles="dashed")
    axes.clabel(drawn, fmt=lambda rate: percent(rate), fontsize=7.5, colors=INK)


def has_data(evidence: Evidence) -> bool:
    """Return whether several sizes and several budgets have an optimum."""
    cells = [one for one in placed(evidence) if not one.repeats]
    return len({round(math.log(one.N), 2) for one in cells}) > 1 and len({one.C for one in cells}) > 1


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, with n and source."""
    cells = [one for one in placed(evidence) if not one.repeats]
    n = sum(one.curve.n for one in cells)
    return (
        "Rate of the lowest fitted loss with its 95 % interval (in %) at each size and budget on fresh data (log "
        "axes). Dashed: lines of equal rate on the surface ln r_a* = a + b ln C + c ln N, with b and c fitted to the "
        f"losses of all cells together. n = {counted(n, 'run')} in {counted(len(cells), 'cell')}, {evidence.source}."
    )


def alt(evidence: Evidence) -> str:
    """Return the figure in words."""
    cells = [(one, best_of(one).value) for one in placed(evidence) if not one.repeats]
    said = [f"C {flops(one.C)}, N {format_quantity(one.N)}: {percent(value)}" for one, value in cells if value]
    return f"Activation rate of the lowest loss by compute and size. {'; '.join(said)}."


FIGURE = Figure(
    title="Optimal rate over compute and size",
    section="r_a* over N and C",
    has_data=has_data,
    draw=draw,
    caption=caption,
    alt=alt,
)
