"""Curves that the runs of a series allow, from which future runs are simulated."""

from dataclasses import dataclass

import numpy as np

from fits.curve.least_squares import CurveData
from fits.curve.shapes import Shapes, shape_fits
from fits.runs.table import Floats

PLACES = (1 / 6, 1 / 2, 5 / 6)
"""Quantiles of the place of the minimum, by its likelihood, at which the curves have theirs."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrueCurve:
    """A loss with one minimum in x = ln r_a."""

    shape: Shapes
    """The shape, a single one."""
    height: float
    """Its factor, nats per token."""
    range_: Floats
    """The two ends of the x at which the shape was fitted, shape (2,)."""

    @property
    def best(self) -> float:
        """The x of the minimum."""
        return float(self.shape.place[0])

    def losses(self, x: Floats) -> Floats:
        """Return the loss at x above the minimum, nats per token, shape (n,)."""
        height = self.shape.above(x - self.shape.place[:, None])[0] / self.shape.peak(self.range_)[0]
        c = float(self.shape.levelling[0])
        return np.asarray(self.height * (-np.expm1(-c * height) / c if c > 0 else height))


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
    weights = np.exp(-(fits.profile - fits.residual) / (2 * fits.variance))
    share = np.cumsum(weights) / weights.sum()
    ends = fits.means.x[[0, -1]]
    curves = []
    for at in np.searchsorted(share, PLACES):
        best = int(np.argmin(fits.residuals.reshape(-1, len(fits.places))[:, at])) * len(fits.places) + int(at)
        shape = fits.shapes.pick(np.array([best]))
        curves.append(TrueCurve(shape=shape, height=float(fits.height[best]), range_=ends))
    (lo, hi), (low, high) = fits.interval, ends.tolist()
    return Known(curves=tuple(curves), sd=float(np.sqrt(fits.residual / fits.dof)), is_open=(lo <= low, hi >= high))
