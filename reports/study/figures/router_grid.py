"""Validation perplexity over router jitter and capacity factor: a heat map with the number in each cell."""

import numpy as np

from reports.page.figure import FAINT, INK, Axes, Figure
from reports.page.number_text import counted, general
from reports.study.evidence.router_grid import RouterGrid, RouterSetting, certainty

DARKEST = 0.4
"""Share of the grey scale for the highest perplexity; black text is readable on all of it."""


def draw(grid: RouterGrid, axes: Axes) -> None:
    """Draw the grid: darker is higher, so worse; the lowest cell is framed, runs outside the grid are in the title."""
    from matplotlib.patches import Rectangle

    jitters, capacities = grid.jitters, grid.capacities
    cells = [[grid.at(jitter, capacity) for capacity in capacities] for jitter in jitters]
    values = np.array([[np.nan if cell is None else cell.mean for cell in row] for row in cells])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    top = low + max(high - low, 1e-9) / DARKEST
    axes.imshow(values, cmap="Greys", vmin=low, vmax=top, aspect="auto")
    axes.grid(visible=False)
    for i, row in enumerate(cells):
        for j, cell in enumerate(row):
            text = "–" if cell is None else _written(cell)
            axes.text(j, i, text, ha="center", va="center", fontsize=10, color=INK, gid=f"cell {i} {j}")
    i, j = jitters.index(grid.best.jitter), capacities.index(grid.best.capacity)
    frame = Rectangle((j - 0.48, i - 0.47), 0.96, 0.94, fill=False, edgecolor=INK, linewidth=2.2, gid="best")
    axes.add_patch(frame)
    write = general(3)
    axes.set_xticks(range(len(capacities)), ["none" if c is None else write(c) for c in capacities])
    axes.set_yticks(range(len(jitters)), [write(jitter) for jitter in jitters])
    axes.set_xlabel("capacity factor")
    axes.set_ylabel("router jitter")
    axes.tick_params(length=0)
    others = "   ".join(f"{name}: {perplexity:.3f}" for name, perplexity in grid.lines)
    axes.set_title(f"validation perplexity, {grid.of}; framed: lowest" + (f"\n{others}" if others else ""), color=INK)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)


def _written(cell: RouterSetting) -> str:
    n = len(cell.perplexities)
    return f"{cell.mean:.3f}" if n == 1 else f"{cell.mean:.3f}\nn = {n}"


def caption(grid: RouterGrid) -> str:
    """Return what the figure shows, with n."""
    n = sum(len(cell.perplexities) for cell in grid.cells)
    return (
        f"Final validation perplexity over router jitter and capacity factor, {grid.of}, n = {counted(n, 'run')}; "
        f"darker is higher, the lowest cell is framed. {certainty(grid)}"
    )


def alt(grid: RouterGrid) -> str:
    """Return the grid in words, lowest perplexity first."""

    def said(cell: RouterSetting) -> str:
        factor = "dropless" if cell.capacity is None else f"capacity {cell.capacity:g}"
        return f"jitter {cell.jitter:g} and {factor}: {cell.mean:.3f}"

    cells = sorted(grid.cells, key=lambda cell: cell.mean)
    return f"Perplexity by router setting, lowest first. {'; '.join(map(said, cells))}."


FIGURE = Figure(
    title="Router settings",
    section="Router settings",
    has_data=lambda grid: bool(grid.cells),
    draw=draw,
    caption=caption,
    alt=alt,
    size=(5.0, 3.2),
)
