"""A small TinyStories study redrawn: its router grid, and perplexity against speed."""

from typing import Any

from planners.records.quantity import format_quantity
from reports.page.figure import DENSE, SERIES, Axes, Figure, Mark, log_scale, points
from reports.papers.figure_parts import label_axes
from reports.papers.tinystories.study import BASELINE, Row, TinyStories
from reports.study.figures import router_grid


def kind(row: Row) -> tuple[str, Mark]:
    """Return the legend of a run and its mark."""
    if not row.experts:
        return "dense baseline", DENSE
    return ("no capacity factor named", SERIES[0]) if row.capacity is None else ("with a capacity factor", SERIES[1])


def draw_speed(data: TinyStories, axes: Axes) -> None:
    """Draw final perplexity against speed, one point per run."""
    beside: dict[str, Any] = {"xytext": (-7, 0), "textcoords": "offset points", "ha": "right", "va": "center"}
    for row in data.rows:
        label, mark = kind(row)
        points(axes, [row.speed], [row.ppl], mark, 7, label=label, zorder=3, gid=row.line.run)
        if row.capacity is None:
            name = f"{row.experts} experts" if row.experts else "dense"
            axes.annotate(name, (row.speed, row.ppl), fontsize=8, **beside)
    log_scale(axes.xaxis, format_quantity, (2e4, 5e4, 1e5, 2e5))
    axes.margins(x=0.2)
    label_axes(axes, "highest speed  (tokens/s)", "final validation perplexity")


def _caption_speed(data: TinyStories) -> str:
    return (
        f"Final validation perplexity against the highest training speed (log axis), n = {len(data.rows)} runs of one "
        "seed on the same tokens. Lower and further right is better. The table does not say how far the baseline would "
        "come in the time of a mixture."
    )


def _alt_speed(data: TinyStories) -> str:
    base = data.named(BASELINE)
    texts = (
        f"{row.line.run}: {row.ppl:.3f} at {row.speed / base.speed:.2f} of the baseline's speed" for row in data.rows
    )
    return f"Perplexity against speed. {'; '.join(texts)}."


FIGURES: dict[str, Figure[TinyStories]] = {
    "tinystories_grid": router_grid.FIGURE.of(lambda data: data.grid),
    "tinystories_speed": Figure(
        title="Perplexity against speed", draw=draw_speed, caption=_caption_speed, alt=_alt_speed
    ),
}
"""File name -> figure; the first stands next to the answer."""
