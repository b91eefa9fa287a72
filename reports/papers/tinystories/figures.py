"""A small TinyStories study redrawn: its router grid, and perplexity against speed."""

from typing import TYPE_CHECKING

from planners.records.quantity import format_quantity
from reports.page.figure import DENSE, SERIES, Figure, Mark
from reports.page.scales import log_scale
from reports.papers.figure_parts import legend_above
from reports.papers.tinystories.study import BASELINE, Row, TinyStories
from reports.study.figures.router_grid import alt_of, caption_of, draw_grid

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS: tuple[tuple[str, Mark], ...] = (
    ("dense baseline", DENSE),
    ("no capacity factor named", SERIES[0]),
    ("with a capacity factor", SERIES[1]),
)


def kind(row: Row) -> int:
    """Return the place of a row in KINDS."""
    return 0 if not row.experts else 1 if row.capacity is None else 2


def draw_speed(data: TinyStories, axes: "Axes") -> None:
    """Draw final perplexity against speed, one point a run."""
    for row in data.rows:
        label, mark = KINDS[kind(row)]
        axes.plot(
            [row.speed], [row.ppl], linestyle="none", marker=mark.marker, color=mark.color, label=label, zorder=3,
            gid=row.line.run,
        )  # fmt: skip
        if row.capacity is None:
            axes.annotate(
                f"{row.experts} experts" if row.experts else "dense", (row.speed, row.ppl), xytext=(-7, 0),
                textcoords="offset points", ha="right", va="center", fontsize=8,
            )  # fmt: skip
    log_scale(axes.xaxis, format_quantity, (2e4, 5e4, 1e5, 2e5))
    axes.margins(x=0.2)
    axes.set_xlabel("highest speed  (tokens/s)")
    axes.set_ylabel("final validation perplexity")
    legend_above(axes)


def has_data(data: TinyStories) -> bool:
    """Whether there are rows."""
    return bool(data.rows)


def _caption_speed(data: TinyStories) -> str:
    return (
        f"Final validation perplexity against the highest training speed (log axis), n = {len(data.rows)} runs of one "
        "seed on the same tokens. Lower and further right is better; how far the baseline would come in the time of a "
        "mixture is not in the table."
    )


def _alt_speed(data: TinyStories) -> str:
    base = data.named(BASELINE)
    texts = (
        f"{row.line.run}: {row.ppl:.3f} at {row.speed / base.speed:.2f} of the baseline's speed" for row in data.rows
    )
    return f"Perplexity against speed. {'; '.join(texts)}."


GRID = Figure(
    title="Router settings", of="tinystories", has_data=has_data,
    draw=lambda data, axes: draw_grid(data.grid, axes),
    caption=lambda data: caption_of(data.grid),
    alt=lambda data: alt_of(data.grid),
    size=(5.0, 3.2),
)  # fmt: skip
SPEED = Figure(
    title="Perplexity against speed", of="tinystories", has_data=has_data, draw=draw_speed, caption=_caption_speed,
    alt=_alt_speed,
)  # fmt: skip

FIGURES = {
    "tinystories_grid": GRID,
    "tinystories_speed": SPEED,
}
"""Name of its files -> figure."""
