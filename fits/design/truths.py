"""Curves that the runs of a series allow, from which future runs are simulated."""

from dataclasses import dataclass

import numpy as np

from fits.curve.least_squares import CurveData
from fits.curve.shapes import shape_fits
from fits.runs.table import Floats

PLACES = (1 / 6, 1 / 2, 5 / 6)
"""Quantiles of the place of the minimum, by its likelihood, at which the curves have theirs."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrueCurve:
    """A loss with one minimum in x = ln r_a."""

    best: float
    """The x of the minimum."""
    height: float
    """Factor of w^2, nats per token."""
    v: Floats
    """Distances from the minimum at which w is known, shape (m,)."""
    w: Floats
    """An increasing function with w(0) = 0, shape (m,)."""

    def losses(self, x: Floats) -> Floats:
        """Return the loss at x above the minimum, nats per token, shape (n,)."""
        return np.asarray(self.height * np.interp(x - self.best, self.v, self.w) ** 2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """What the runs of one series say so far."""

    curves: tuple[TrueCurve, ...]
    """The best shapes with their minimum at low, middle and high places that the runs allow."""
    sd: float
    """SD of a run, seeds apart, nats per token."""
    is_open: tuple[bool, bool]
    """Whether the minimum may lie beyond the lowest rate, and beyond the highest one."""


def known_of(data: CurveData) -> Known | None:
    """Return what `data` says of the curve and of the noise; None if the runs are too few for a shape."""
    fits = shape_fits(data)
    if fits is None:
        return None
    share = np.cumsum(fits.density)
    curves = []
    for at in np.searchsorted(share, PLACES):
        row = int(np.argmax(fits.weight.reshape(-1, len(fits.places))[:, at])) * len(fits.places) + int(at)
        v, w, height = fits.curve(row)
        curves.append(TrueCurve(best=float(fits.places[at]), height=height, v=v, w=w))
    (lo, hi), (low, high) = fits.interval, fits.means.x[[0, -1]].tolist()
    return Known(curves=tuple(curves), sd=float(np.sqrt(fits.residual / fits.dof)), is_open=(lo <= low, hi >= high))
