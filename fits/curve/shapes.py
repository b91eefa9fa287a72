"""The place of a minimum whatever the shape of the curve: a profile over a family of shapes with one minimum.

A shape with its minimum at x = m is g(v) = expm1(-alpha v) / alpha + expm1(beta v) / beta with v = x - m: one power of
the rate falls and another grows, as theory expects of the loss at equal N and C. Small exponents give a parabola,
unequal ones every skew, large ones a flat bottom. A shape may also level off far from its minimum. For each shape and
place, level and height are linear least squares, and one matrix product gives the residuals of all. The interval holds
the places whose best shape fits the runs nearly as well as the best of all, so it does not assume any fitted law.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from fits.curve.least_squares import CurveData
from fits.intervals import t_quantile
from fits.runs.table import Floats

EXPONENTS = np.geomspace(0.05, 14.0, 12)
"""Values of alpha and of beta, before they are refined at each place."""
LEVELLING = (0.0, 1.0, 3.0)
"""How far a shape levels off: the height h (0 to 1 in the runs) becomes (1 - exp(-c h)) / c, with c one of these."""
PLACES, BEYOND = 201, 0.35
"""Number of places of the minimum, and how far they reach beyond each end of the sampled range, as a share of it."""
SHAPE_DOF = 3
"""Coefficients of a shape next to its level: height, place and skew. The others rarely count."""
WIDENING = 1.5
"""Factor on the noise variance in the test of a place. The shape is bounded and nearly undetermined, so the residual
falls by more than one coefficient explains. Without the factor 88 to 100 % of intervals hold the truth."""
SOLVED = 4000
"""Most candidates for which the ends of the region within a margin are solved."""

Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Shapes:
    """Shapes at places; each array has shape (n,)."""

    alpha: Floats
    """Exponent of the falling power."""
    beta: Floats
    """Exponent of the growing power."""
    levelling: Floats
    """How far the shape levels off."""
    place: Floats
    """The x of its minimum."""

    def at(self, x: Floats) -> Floats:
        """Return the heights at x above the minimum, shape (n, len(x)); the highest is 1 before it levels off."""
        height = self.above(x - self.place[:, None]) / self.peak(x)[:, None]
        c = self.levelling[:, None]
        return np.where(c > 0, -np.expm1(-c * height) / np.maximum(c, 1e-9), height)

    def peak(self, x: Floats) -> Floats:
        """Return the highest g at x, which is at one end, shape (n,)."""
        return np.asarray(np.maximum(*(self.above((end - self.place)[:, None])[:, 0] for end in (x[0], x[-1]))))

    def above(self, v: Floats) -> Floats:
        """Return g(v), before it levels off; v has shape (n, m)."""
        alpha, beta = self.alpha[:, None], self.beta[:, None]
        return np.expm1(-alpha * v) / alpha + np.expm1(beta * v) / beta

    def pick(self, rows: NDArray[np.intp]) -> "Shapes":
        """Return some of the shapes."""
        return Shapes(**{name: values[rows] for name, values in vars(self).items()})

    def distance(self, side: int, height: Floats, margin: float, x: Floats) -> Floats:
        """Return how far from its minimum each shape times `height` is higher by `margin`, at most twice the range.

        `side` is -1 below the minimum and 1 above it. Solved by bisection.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            wanted = margin / height  # before the shape levels off: the inverse of `at`
            wanted = np.where(self.levelling > 0, -np.log1p(-self.levelling * wanted) / self.levelling, wanted)
        wanted = np.where(np.isfinite(wanted), wanted, np.inf) * self.peak(x)
        low, high = np.zeros_like(height), np.full_like(height, 2 * (x[-1] - x[0]))
        for _ in range(30):
            middle = (low + high) / 2
            above = self.above(side * middle[:, None])[:, 0] >= wanted
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return high


@dataclass(frozen=True, kw_only=True, eq=False)
class Means:
    """What the runs say about the mean losses of their rates, with the blocks projected out."""

    x: Floats
    """The distinct sampled x, ascending, shape (rates,)."""
    gram: Floats
    """Information about the means, shape (rates, rates)."""
    against: Floats
    """gram times the means, shape (rates,)."""
    total: float
    """Sum of squares of the losses about the level of each block."""
    average: float
    """Mean loss of the average seed."""
    weights: Floats
    """Weight of each rate in that mean, shape (rates,)."""
    n: int
    """Number of runs."""
    dof: int
    """Degrees of freedom of the noise next to a shape."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ShapeFits:
    """Shapes at all places, fitted to the runs. The arrays have shape (n,), one number for each shape at each place."""

    means: Means
    """The runs."""
    shapes: Shapes
    """The shapes."""
    size: Floats
    """Sum of squares of the shape."""
    height: Floats
    """Its fitted factor, 0 or more, nats per token."""
    residuals: Floats
    """Residual sums of squares."""
    centre: Floats
    """Mean of the shape over the runs."""

    @property
    def level(self) -> Floats:
        """Fitted loss at the minimum, shape (n,)."""
        return self.means.average - self.height * self.centre

    @property
    def dof(self) -> int:
        """Degrees of freedom of the noise."""
        return self.means.dof

    @cached_property
    def residual(self) -> float:
        """The least residual sum of squares."""
        return float(self.residuals.min())

    @cached_property
    def places(self) -> Floats:
        """The places, ascending, shape (places,)."""
        return _grid(tuple(self.means.x.tolist()))[0]

    @cached_property
    def profile(self) -> Floats:
        """Least residual sum of squares at each place, shape (places,)."""
        return np.asarray(self.residuals.reshape(-1, PLACES).min(axis=0))

    @property
    def variance(self) -> float:
        """Variance to which differences of residuals are compared, nats^2 per token^2."""
        return WIDENING * self.residual / self.dof

    @cached_property
    def cut(self) -> float:
        """The residual up to which a shape at a place is accepted."""
        return self.residual + self.variance * t_quantile(self.dof) ** 2

    @cached_property
    def interval(self) -> Range:
        """95 % interval of the place of the minimum, cut at the sampled range."""
        kept = np.flatnonzero(self.profile <= self.cut)
        return self._sampled(self._end(int(kept[0]), -1), self._end(int(kept[-1]), 1))

    def _sampled(self, lo: float, hi: float) -> Range:
        low, high = self.means.x[[0, -1]].tolist()
        return min(max(lo, low), high), min(max(hi, low), high)

    def _end(self, at: int, step: int) -> float:
        """Return where the profile crosses the cut between the accepted place `at` and the next one outside."""
        out = at + step
        if not 0 <= out < PLACES:
            return float(self.places[at])
        inner, outer = self.profile[at], self.profile[out]
        return float(self.places[at] + (self.cut - inner) / (outer - inner) * (self.places[out] - self.places[at]))

    @cached_property
    def levels(self) -> Range:
        """Lowest and highest loss at the minimum over the accepted shapes, whose level and height vary as well."""
        kept = self.residuals <= self.cut
        spread = 1 / self.means.n + self.centre[kept] ** 2 / self.size[kept]
        half = np.sqrt((self.cut - self.residuals[kept]) * spread)
        return float((self.level[kept] - half).min()), float((self.level[kept] + half).max())

    def ends(self, margin: float) -> tuple[Range, Range]:
        """Return intervals of the lower and the upper end of the region within `margin` of the minimum, 95 %.

        The height of each accepted shape varies as far as the cut allows; ends are cut at the sampled range.
        """
        kept = np.flatnonzero(self.residuals <= self.cut)
        kept = kept[:: 1 + len(kept) // SOLVED] if len(kept) > SOLVED else kept
        shapes, x = self.shapes.pick(kept), self.means.x
        half = np.sqrt((self.cut - self.residuals[kept]) / self.size[kept])
        heights = self.height[kept] + half, np.maximum(self.height[kept] - half, 0.0)
        below = [shapes.place - shapes.distance(-1, height, margin, x) for height in heights]
        above = [shapes.place + shapes.distance(1, height, margin, x) for height in heights]
        low = self._sampled(float(below[1].min()), float(below[0].max()))
        return low, self._sampled(float(above[0].min()), float(above[1].max()))

    def moved(self, place: float) -> "ShapeFits":
        """Return the fits to losses without noise: the best shape, with its minimum moved to `place`."""
        best = self.shapes.pick(np.array([np.argmin(self.residuals)]))
        moved = Shapes(alpha=best.alpha, beta=best.beta, levelling=best.levelling, place=np.array([place]))
        curve = self.height.flat[np.argmin(self.residuals)] * moved.at(self.means.x)[0]
        against = self.means.gram @ curve
        known = {**vars(self.means), "against": against, "total": float(curve @ against)}
        return _all_fits(Means(**known))


def shape_fits(data: CurveData) -> ShapeFits | None:
    """Fit all shapes at all places; None for fewer than four rates, or without degrees of freedom for the noise."""
    at, codes = np.unique(np.round(data.x, 6), return_index=True, return_inverse=True)[1:]
    base = np.hstack([np.ones((len(data.x), 1)), data.blocks])
    dof = len(data.x) - base.shape[1] - SHAPE_DOF
    if len(at) <= SHAPE_DOF or dof < 1:
        return None
    q = np.linalg.qr(base)[0]
    member = np.eye(len(at))[codes.reshape(-1)]
    rest, loss = member - q @ (q.T @ member), data.loss - q @ (q.T @ data.loss)
    average = np.linalg.lstsq(base, np.column_stack([data.loss, member]), rcond=None)[0][0]
    means = Means(
        x=data.x[at],
        gram=rest.T @ rest,
        against=rest.T @ loss,
        total=float(loss @ loss),
        average=float(average[0]),
        weights=average[1:],
        n=len(data.x),
        dof=dof,
    )
    return _all_fits(means)


def _all_fits(means: Means) -> ShapeFits:
    """Fit the shapes of the grid, then at each place shapes near the best one, in ever smaller steps."""
    places, shapes, heights = _grid(tuple(means.x.tolist()))
    found = [_fits(means, shapes, heights)]
    step = float(np.log(EXPONENTS[1] / EXPONENTS[0]))
    near = np.array([(a, b) for a in (-2, -1, 0, 1, 2) for b in (-2, -1, 0, 1, 2)], float)
    for _ in range(3):
        step /= 2.5
        rows = found[-1].residuals.reshape(-1, PLACES).argmin(axis=0) * PLACES + np.arange(PLACES)
        best, factors = found[-1].shapes.pick(rows), np.exp(near * step)[:, :, None]
        tried = Shapes(
            alpha=(best.alpha * factors[:, 0]).ravel(),
            beta=(best.beta * factors[:, 1]).ravel(),
            levelling=np.tile(best.levelling, len(near)),
            place=np.tile(places, len(near)),
        )
        found.append(_fits(means, tried, tried.at(means.x)))
    both = found[0], found[-1]
    names = ("size", "height", "residuals", "centre")
    joined = {name: np.concatenate([vars(each)[name] for each in both]) for name in names}
    parts = [vars(each.shapes) for each in both]
    return ShapeFits(
        means=means,
        shapes=Shapes(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]}),
        **joined,
    )


def _fits(means: Means, shapes: Shapes, heights: Floats) -> ShapeFits:
    """Fit level and height of each shape, given its heights at the sampled x, shape (n, rates)."""
    size = np.maximum(np.einsum("ij,ij->i", heights @ means.gram, heights), 1e-300)
    product = np.maximum(heights @ means.against, 0.0)
    height = product / size
    residuals = np.maximum(means.total - product * height, 0.0)
    centre = heights @ means.weights
    return ShapeFits(means=means, shapes=shapes, size=size, height=height, centre=centre, residuals=residuals)


@lru_cache(maxsize=16)
def _grid(x: tuple[float, ...]) -> tuple[Floats, Shapes, Floats]:
    """Return the places, all shapes at all places (the places vary fastest), and their heights at x."""
    width = x[-1] - x[0]
    places = np.linspace(x[0] - BEYOND * width, x[-1] + BEYOND * width, PLACES)
    levels = np.array(LEVELLING)
    c, alpha, beta, place = (each.ravel() for each in np.meshgrid(levels, EXPONENTS, EXPONENTS, places, indexing="ij"))
    shapes = Shapes(alpha=alpha, beta=beta, levelling=c, place=place)
    return places, shapes, shapes.at(np.array(x))
