"""The lowest point of a function of one or two coordinates, for many draws of its parameters together."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from fits.runs.table import Floats

POINTS = {1: 33, 2: 13}
"""Points of a grid along each coordinate, by the number of coordinates."""
PRECISION = 1e-5
"""Width of the last grid, in the units of the coordinates."""


def lowest(
    function: Callable[[Floats], Floats], box: Sequence[tuple[float, float]], draws: int
) -> tuple[Floats, Floats]:
    """Return where `function` is lowest in the box, shape (B, d), and whether that lies inside it, shape (B,).

    `function` takes coordinates (B, m, d) and returns values (B, m). A grid is laid over the box, and finer ones around
    its lowest point, each draw with its own; the function must have one minimum at the scale of the first grid.
    """
    d = len(box)
    unit = np.array(list(itertools.product(np.linspace(-1, 1, POINTS[d]), repeat=d)))  # (m, d)
    low, high = np.array(box, float).T
    centre, half = np.broadcast_to((low + high) / 2, (draws, d)), (high - low) / 2
    while half.max() > PRECISION:
        at = np.clip(centre[:, None] + unit * half, low, high)
        values = function(at)
        best = np.argmin(np.where(np.isfinite(values), values, np.inf), axis=1)
        centre = at[np.arange(draws), best]
        half = half * 2.5 / (POINTS[d] - 1)
    inside = ((centre > low + 1e-3) & (centre < high - 1e-3)).all(axis=1)
    return centre, inside
