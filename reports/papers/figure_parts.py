"""What the figures of papers share: lines of our fit and of printed coefficients, colours by order, legends."""

from typing import Any

from reports.page.figure import FAINT, INK, SERIES, Axes

COMPUTE, LOSS = "training compute  C  (FLOPs)", "loss  (nats/token)"
"""Names of axes."""
OURS: dict[str, Any] = {"color": INK, "linestyle": "-", "linewidth": 1.5, "zorder": 3}
"""Our fit: a black line."""
AS_PRINTED: dict[str, Any] = {"color": FAINT, "linestyle": (0, (3, 1.5)), "linewidth": 1.1, "zorder": 1}
"""The only printed coefficients of a figure: a dashed grey line."""
POINTS: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 4.5, "zorder": 3}
"""Runs: dots without a line."""


def printed_line(i: int) -> dict[str, Any]:
    """Return the line style of the printed coefficients number `i`."""
    mark = SERIES[i % len(SERIES)]
    return {"color": mark.color, "linestyle": mark.line, "linewidth": 1.3, "zorder": 2.5}


def shades(count: int) -> list[str]:
    """Return `count` colours from light to dark, in order in grey print too; none is too pale to see."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    scale = colormaps["viridis_r"]
    return [to_hex(scale(0.12 + 0.86 * i / max(count - 1, 1))) for i in range(count)]


def text_at_end(axes: Axes, text: str, end: tuple[float, float]) -> None:
    """Write `text` to the right of the end of a line, outlined in white to stay readable over other lines."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2.5, foreground="white")]
    offset: dict[str, Any] = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
    axes.annotate(text, end, fontsize=8, zorder=6, path_effects=halo, **offset)


def label_axes(axes: Axes, x: str, y: str = "", columns: int = 2, **style: Any) -> None:
    """Name both axes and put the legend above them, one entry for each label. `style` is that of the legend."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    handles = {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    place: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "title_fontsize": 8}
    axes.legend(handles.values(), handles, ncols=columns, **{**place, "handlelength": 2.8, **style})


def legend_of_fit(axes: Axes, by: str) -> None:
    """Add the legend entries of runs and our fit, whose colours differ `by` a quantity, and of printed coefficients."""
    axes.plot([], [], **{**POINTS, "linestyle": "-"}, color=INK, linewidth=1.3, label=f"runs and our fit, by {by}")
    axes.plot([], [], **AS_PRINTED, label="coefficients as printed")
