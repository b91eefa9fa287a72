"""Labels inside a figure, placed where they cover neither each other nor the data."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from reports.page.figure import Axes, canvas_of, settle, spelled

if TYPE_CHECKING:
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

PLACES = {
    "above": (0, 6, "center", "bottom"),
    "below": (0, -6, "center", "top"),
    "right": (7, 0, "left", "center"),
    "left": (-7, 0, "right", "center"),
    "high": (0, 15, "center", "bottom"),
    "low": (0, -15, "center", "top"),
}
"""Possible places of a label: offset in points, and alignment."""
Named = tuple[float, float, str]
"""x, y and label of a point."""


def place(
    axes: Axes,
    points: Iterable[Named],
    *,
    avoid: Sequence[tuple[float, float]] = (),
    where: Sequence[str] = ("above", "below", "right", "left"),
) -> "list[Annotation]":
    """Write each label next to its point, at the first free place of `where`; leave it out where none is free.

    No label covers a point, nor the data in `avoid`. Call this last: it fixes the layout.
    """
    named = list(points)
    canvas = canvas_of(axes)
    settle(canvas)
    renderer = canvas.canvas.get_renderer()  # type: ignore[attr-defined]
    taken = [_around(axes, x, y) for x, y in [*((x, y) for x, y, _ in named), *avoid]]
    taken += [text.get_window_extent(renderer) for text in axes.texts]
    frame, found = axes.get_window_extent(renderer), []
    for x, y, name in named:
        text = axes.annotate(spelled(name), (x, y), zorder=6, path_effects=_halo(), **_at(where[0]))
        text.set_in_layout(False)
        for place in where:
            text.update(_moved(place))
            box = text.get_window_extent(renderer)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(map(box.overlaps, taken)):
                taken.append(box)
                found.append(text)
                break
        else:
            text.remove()
    return found


def _around(axes: Axes, x: float, y: float) -> "Bbox":
    """Return the box of a marker, in pixels."""
    from matplotlib.transforms import Bbox

    across, up = axes.transData.transform((x, y))
    return Bbox.from_bounds(across - 4, up - 4, 8, 8)


def _at(place: str) -> dict[str, Any]:
    across, up, ha, va = PLACES[place]
    return {"xytext": (across, up), "textcoords": "offset points", "ha": ha, "va": va}


def _moved(place: str) -> dict[str, Any]:
    across, up, ha, va = PLACES[place]
    return {"position": (across, up), "ha": ha, "va": va}


def _halo() -> list[Any]:
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=2.5, foreground="white")]


def shortened(names: Sequence[str], most: int = 14) -> list[str]:
    """Return `names` for a figure: without the words that all share after the first, at most `most` characters long.

    >>> shortened(["K1 U=fresh", "K4 U=fresh"])
    ['K1', 'K4']
    """
    shared = set.intersection(*(set(name.split()[1:]) for name in names)) if len(names) > 1 else set()
    kept = [" ".join(word for at, word in enumerate(name.split()) if at == 0 or word not in shared) for name in names]
    return [spelled(name if len(name) <= most else f"{name[: most - 1]}…") for name in kept]
