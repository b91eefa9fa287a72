"""What the figures of published laws share: how our curve and printed ones are drawn."""

from typing import TYPE_CHECKING, Any

from reports.page.figure import INK, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS: dict[str, Any] = {"color": INK, "linestyle": "-", "linewidth": 1.5, "zorder": 3}
"""Our fit: a black line."""


def printed_line(i: int) -> dict[str, Any]:
    """Return how the curve of the printed coefficients number `i` is drawn."""
    mark = SERIES[i % len(SERIES)]
    return {"color": mark.color, "linestyle": mark.line, "linewidth": 1.3, "zorder": 2.5}


def shades(count: int) -> list[str]:
    """Return `count` colours from light to dark, in order in grey too and none of them too pale to see."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    scale = colormaps["viridis_r"]
    return [to_hex(scale(0.12 + 0.86 * i / max(count - 1, 1))) for i in range(count)]


def beside_line(axes: "Axes", text: str, end: tuple[float, float]) -> None:
    """Write `text` to the right of the end of a line, in white outline so that nothing crosses it."""
    from matplotlib.patheffects import withStroke

    axes.annotate(
        text, end, xytext=(4, 0), textcoords="offset points", va="center", fontsize=8, zorder=6,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )  # fmt: skip


def legend_above(axes: "Axes", columns: int = 2, title: str | None = None) -> None:
    """Put the legend above the axes, one line for each label."""
    handles = {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    axes.legend(
        handles.values(), handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns, handlelength=2.8,
        title=title, title_fontsize=8,
    )  # fmt: skip
