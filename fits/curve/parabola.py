"""The minimum of a parabola: through three neighbouring points, or fitted to several by least squares."""

from collections.abc import Sequence

import numpy as np

from fits.runs.table import Floats


def vertex(points: Sequence[tuple[float, float]]) -> float | None:
    """Return the x of the minimum of the parabola through the lowest of the points (x, y) and its two neighbours.

    None if the lowest point is the first or the last, or if the parabola does not bend upwards.
    """
    ordered = sorted(points)
    at = min(range(len(ordered)), key=lambda i: ordered[i][1])
    if not 0 < at < len(ordered) - 1:
        return None
    (a, x), (b, y), (c, z) = ordered[at - 1 : at + 2]
    bend = (x - y) / (b - a) + (z - y) / (c - b)
    slope = (x - y) / (b - a) * (b + c) + (z - y) / (c - b) * (a + b)
    return slope / bend / 2 if bend > 0 else None


def fitted_vertex(x: Floats, y: Floats, within: float) -> tuple[float, float] | None:
    """Return x and y of the minimum of a least-squares parabola through the points within `within` of the lowest one.

    x and y have shape (n,). None for fewer than four such points, and for a minimum that does not lie between them.
    """
    near = np.abs(x - x[np.argmin(y)]) <= within
    if near.sum() < 4:
        return None
    bend, tilt, height = np.polyfit(x[near] - x[near].mean(), y[near], 2)
    place = -tilt / (2 * bend)
    at = place + x[near].mean()
    inside = bend > 0 and x[near].min() < at < x[near].max()
    return (float(at), float(height - bend * place**2)) if inside else None
