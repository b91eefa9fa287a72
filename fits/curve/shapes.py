"""The place of a minimum whatever the shape of the curve: an average over random curves with one minimum.

A curve with its minimum at x = m is h w(x - m)^2, where w increases and w(0) = 0; every curve with one minimum has this
form. Here ln w' is a random path: its slope at the minimum is the skew, and the slope wanders. In half of the curves,
w(v)^2 is replaced by expm1(-alpha w) / alpha + expm1(beta w) / beta, the sum of two powers of the rate that theory
expects at equal N and C. Each of `CURVES` curves is placed at each of `PLACES` places and weighted by its likelihood,
with level, height, seeds and noise variance integrated out. The sums of the weights over curves give the posterior
density of the place of the minimum.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from fits.curve.least_squares import CurveData
from fits.intervals import percentile
from fits.runs.table import Floats

CURVES, PLACES, DRAWS = 2000, 121, 2000
"""Random curves, places of the minimum, and draws from the posterior for the loss and the region of indifference."""
BEYOND = 0.35
"""How far places reach beyond each end of the sampled range, as a share of it."""
SKEW, WANDER = (0.5, 0.7), (0.4, 0.8)
"""Typical skew (the slope of ln w' at the minimum, for one unit of ln r_a) and typical SD of its change over one unit.
Each is followed by the SD of its logarithm over curves. Chosen by simulation, see docs/calibration.md."""
EXPONENTS = (0.1, 14.0)
"""Least and largest alpha and beta, log-uniform."""
LOWEST_SIZE = 0.01
"""Mean square of a curve at the runs, next to a highest height of 1, below which it gains no further prior weight. Flat
curves would otherwise be favoured without limit, because all heights are equally likely beforehand."""
MASS = 0.97
"""Posterior mass of an interval that is called a 95 % interval. With 0.95 the lowest coverage of the truths that the
method was chosen with was 0.91; with 0.97 it is 0.95 (150 studies a cell)."""
RESOLVED = 0.005
"""Noise SD of a mean below which curves are too few to fit it, as a share of the range of the means: the least noise
that is assumed."""
SHAPE_DOF = 3
"""Coefficients of a shape next to its level: height, place and skew. The others rarely count."""
NODES = 241
"""Points at which a curve is stored."""

Range = tuple[float, float]
Singles = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Curves:
    """Random curves at all places, for one set of sampled x."""

    places: Floats
    """Places of the minimum, ascending, shape (PLACES,)."""
    step: float
    """Distance of the points at which w is stored; the middle one is the minimum."""
    w: Singles
    """w of each curve, shape (CURVES, NODES)."""
    heights: Singles
    """Heights at the sampled x, shape (CURVES * PLACES, rates); the highest is 1. Places vary fastest."""
    peaks: Singles
    """What the heights were divided by, shape (CURVES * PLACES,)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """Curves drawn from the posterior; each array has shape (DRAWS,)."""

    place: Floats
    """The x of the minimum."""
    level: Floats
    """Loss there."""
    height: Floats
    """Factor of w^2."""
    w: Singles
    """Stored w, shape (DRAWS, NODES)."""


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
    error: float
    """Standard error of that mean, in units of the SD of the noise."""
    weights: Floats
    """Weight of each rate in that mean, shape (rates,)."""
    n: int
    """Number of runs."""
    free: int
    """Runs less the level of each block and the height of the curve."""

    @property
    def least_noise(self) -> float:
        """Sum of squares of the least noise that is assumed."""
        means = np.linalg.pinv(self.gram) @ self.against
        return self.free * self.n / len(self.x) * (RESOLVED * float(np.ptp(means))) ** 2


@dataclass(frozen=True, kw_only=True, eq=False)
class ShapeFits:
    """All curves at all places, fitted to the runs and weighted. The arrays have shape (CURVES * PLACES,)."""

    means: Means
    """The runs."""
    curves: Curves
    """The curves."""
    size: Singles
    """Sum of squares of the curve."""
    product: Singles
    """Its product with the losses; 0 where the best height would be negative."""
    weight: Singles
    """Posterior weight; the largest is 1."""
    residual: float
    """The least residual sum of squares."""

    @property
    def dof(self) -> int:
        """Degrees of freedom of the noise next to a shape."""
        return self.means.free + 1 - SHAPE_DOF

    @property
    def places(self) -> Floats:
        """The places, ascending, shape (PLACES,)."""
        return self.curves.places

    @cached_property
    def density(self) -> Floats:
        """Posterior probability of each place, shape (PLACES,)."""
        found = self.weight.reshape(-1, PLACES).sum(axis=0, dtype=float)
        return np.asarray(found / found.sum())

    @cached_property
    def interval(self) -> Range:
        """Central 95 % interval of the place of the minimum, cut at the sampled range."""
        return self._sampled(central(self.places, self.density))

    @property
    def logs(self) -> Floats:
        """Logarithm of the density next to its largest value, shape (PLACES,)."""
        return np.asarray(np.log(np.maximum(self.density / self.density.max(), 1e-300)))

    @property
    def sd(self) -> float:
        """SD of that density."""
        mean = float(self.density @ self.places)
        return math.sqrt(float(self.density @ (self.places - mean) ** 2))

    def excess(self, x: Floats) -> Floats:
        """Return how much worse a minimum at x fits than the best one, as the square of a t with `dof` + 1.

        A density that is Student's t gives exactly t^2.
        """
        logs = np.interp(x, self.places, self.logs)
        return np.asarray((self.means.free - 1) * np.expm1(-2 / self.means.free * logs))

    @cached_property
    def draws(self) -> Draws:
        """Draws from the posterior; the same runs give the same draws."""
        random = np.random.default_rng(0)
        cumulative = np.cumsum(self.weight, dtype=float)
        rows = np.searchsorted(cumulative, (np.arange(DRAWS) + 0.5) / DRAWS * cumulative[-1])
        size, product = (values[rows].astype(float) for values in (self.size, self.product))
        residual = np.maximum(self.means.total - product**2 / size, 0.0) + self.means.least_noise
        sd = np.sqrt(residual / random.chisquare(self.means.free, DRAWS))
        height = np.maximum(product / size + sd / np.sqrt(size) * random.standard_normal(DRAWS), 1e-12)
        level = self.means.average - height * (self.curves.heights[rows] @ self.means.weights)
        level = level + sd * self.means.error * random.standard_normal(DRAWS)
        step = self.places[1] - self.places[0]
        place = self.places[rows % PLACES] + step * random.uniform(-0.5, 0.5, DRAWS)
        w, peaks = self.curves.w[rows // PLACES], self.curves.peaks[rows]
        return Draws(place=place, level=level, height=height / peaks, w=w)

    def curve(self, row: int) -> tuple[Floats, Floats, float]:
        """Return one curve: v = x less its place, w(v), both of shape (NODES,), and the fitted factor of w^2."""
        v: Floats = self.curves.step * (np.arange(NODES, dtype=float) - NODES // 2)
        height = float(self.product[row] / self.size[row] / self.curves.peaks[row])
        return v, np.asarray(self.curves.w[row // PLACES], float), height

    def with_noise(self, sd: float) -> "ShapeFits":
        """Return the weights if the runs had further noise of this SD that no curve explains."""
        return _weighted(replace(self.means, total=self.means.total + sd**2 * self.means.free))

    @cached_property
    def levels(self) -> Range:
        """95 % interval of the loss at the minimum, for the mean seed."""
        return percentile(self.draws.level, MASS)

    def ends(self, margin: float | Floats) -> tuple[Range, Range]:
        """Return 95 % intervals of the lower and the upper end of the region within `margin` of the minimum.

        An array, shape (DRAWS,), gives each draw its own margin.
        """
        draws, middle = self.draws, NODES // 2
        wanted = np.sqrt(margin / draws.height)[:, None]
        below = (draws.w[:, middle::-1] > -wanted).sum(axis=1) * self.curves.step
        above = (draws.w[:, middle:] < wanted).sum(axis=1) * self.curves.step
        low, high = (percentile(each, MASS) for each in (draws.place - below, draws.place + above))
        return self._sampled(low), self._sampled(high)

    def _sampled(self, ends: Range) -> Range:
        low, high = self.means.x[[0, -1]].tolist()
        return min(max(ends[0], low), high), min(max(ends[1], low), high)


def central(places: Floats, density: Floats) -> Range:
    """Return the interval with equal probability on both sides, given the probability of evenly spaced places."""
    half = (places[1] - places[0]) / 2
    edges = np.append(places - half, places[-1] + half)
    cumulative = np.append(0.0, np.cumsum(density))
    lo, hi = np.interp([(1 - MASS) / 2, (1 + MASS) / 2], cumulative / cumulative[-1], edges)
    return float(lo), float(hi)


def shape_fits(data: CurveData, on: NDArray[np.bool_] | None = None) -> ShapeFits | None:
    """Fit all curves at all places; None for fewer than four rates, or without degrees of freedom for the noise.

    `on`, shape (n,), selects the runs that lie on the curve; the blocks then hold the level of the others, and the loss
    at the minimum is relative to that level.
    """
    on = np.ones(len(data.x), bool) if on is None else on
    at, codes = np.unique(np.round(data.x[on], 6), return_index=True, return_inverse=True)[1:]
    x = data.x[on][at]
    base = np.hstack([on[:, None].astype(float), data.blocks])
    free = len(data.x) - base.shape[1] - 1
    if len(x) <= SHAPE_DOF or free + 1 - SHAPE_DOF < 1:
        return None
    q, r = np.linalg.qr(base)
    member = np.zeros((len(data.x), len(x)))
    member[on] = np.eye(len(x))[codes.reshape(-1)]
    rest, loss = member - q @ (q.T @ member), data.loss - q @ (q.T @ data.loss)
    inverse = np.linalg.inv(r)
    average = inverse[0] @ q.T @ np.column_stack([data.loss, member])
    means = Means(
        x=x,
        gram=rest.T @ rest,
        against=rest.T @ loss,
        total=float(loss @ loss),
        average=float(average[0]),
        error=float(np.linalg.norm(inverse[0])),
        weights=average[1:],
        n=len(data.x),
        free=free,
    )
    return _weighted(means)


def _weighted(means: Means) -> ShapeFits:
    """Fit level and height of each curve at each place, and weight it by its likelihood."""
    curves = _curves(tuple(np.round(means.x, 9).tolist()))
    size, factors, shares = _sizes(curves, means.gram.astype(np.float32).tobytes())
    product = np.maximum(curves.heights @ means.against.astype(np.float32), 0.0)
    explained = product * factors
    explained *= explained
    top = float(explained.max())
    # the residual is at least rounding error; float32 is precise enough because the least noise is above it
    noise = np.maximum(np.float32(means.total) - explained, 0.0)
    noise += np.float32(max(means.least_noise, 1e-6 * means.total, 1e-30))
    np.log(noise, out=noise)
    noise *= -means.free / 2
    noise += shares
    noise -= noise.max()
    weight = np.exp(noise, out=noise)
    return ShapeFits(
        means=means, curves=curves, size=size, product=product, weight=weight, residual=max(means.total - top, 0.0)
    )


@lru_cache(maxsize=2)
def _sizes(curves: Curves, gram: bytes) -> tuple[Singles, Singles, Singles]:
    """Return the sum of squares of each curve, one over its root, and the log prior weight, for this information."""
    heights = curves.heights
    information = np.frombuffer(gram, np.float32).reshape(heights.shape[1], -1)
    size = np.maximum(np.sum((heights @ information) * heights, axis=1), np.float32(1e-20))
    least = LOWEST_SIZE * np.trace(information) / (len(information) - 1)
    factors = np.where(size > least / 100, 1 / np.sqrt(size), np.float32(0))  # a constant explains nothing
    return size, factors, -np.log(np.maximum(size, least)) / 2


@lru_cache(maxsize=16)
def _curves(x: tuple[float, ...]) -> Curves:
    """Return the random curves at all places; the same x give the same curves."""
    width = x[-1] - x[0]
    places = np.linspace(x[0] - BEYOND * width, x[-1] + BEYOND * width, PLACES)
    step = 2 * (1 + BEYOND) * width / (NODES - 1)
    w = _random_curves(step)
    at = (np.array(x) - places[:, None]) / step + NODES // 2
    left = np.clip(at.astype(np.intp), 0, NODES - 2)
    share = (at - left).astype(np.float32)
    heights = ((1 - share) * w[:, left] + share * w[:, left + 1]) ** 2
    peaks = heights.max(axis=2, keepdims=True)
    return Curves(places=places, step=step, w=w, heights=(heights / peaks).reshape(-1, len(x)), peaks=peaks.ravel())


def _random_curves(step: float) -> Singles:
    """Return w of the random curves, shape (CURVES, NODES)."""
    random = np.random.default_rng(0)
    skew, skews, wander, *_ = (random.standard_normal((CURVES, 1)) for _ in range(3))
    paths = np.cumsum(random.standard_normal((CURVES, NODES)), axis=1) * math.sqrt(step)
    slope = SKEW[0] * np.exp(SKEW[1] * skews) * skew
    slope = slope + WANDER[0] * np.exp(WANDER[1] * wander) * (paths - paths[:, [NODES // 2]])
    w = _integral(np.exp(np.clip(_integral(slope, step), -12.0, 12.0)), step)
    low, high = np.log(EXPONENTS)
    alpha, beta = np.exp(random.uniform(low, high, (2, CURVES // 2, 1)))
    w[::2] = _power_sums(w[::2], alpha, beta)
    return w.astype(np.float32)


def _power_sums(v: Floats, alpha: Floats, beta: Floats) -> Floats:
    """Return the root, with the sign of v, of expm1(-alpha v) / alpha + expm1(beta v) / beta, shape (n, NODES)."""
    heights = np.expm1(np.minimum(-alpha * v, 60.0)) / alpha + np.expm1(np.minimum(beta * v, 60.0)) / beta
    near = np.abs(v) * np.maximum(alpha, beta) < 1e-4  # here the difference above is rounding error
    return np.asarray(np.sign(v) * np.sqrt(np.where(near, (alpha + beta) / 2 * v**2, np.maximum(heights, 0.0))))


def _integral(values: Floats, step: float) -> Floats:
    """Return the integral from the middle point, by the trapezoid rule, shape (n, NODES)."""
    parts = (values[:, 1:] + values[:, :-1]) * (step / 2)
    found = np.hstack([np.zeros((len(values), 1)), np.cumsum(parts, axis=1)])
    return np.asarray(found - found[:, [NODES // 2]])
