"""Several cells of runs, each with a polynomial of its own, whose minima lie where one rule says."""

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fits.curve.lack_of_fit import tail
from fits.drift.minimum_profile import MinimumProfile
from fits.intervals import TEST_LEVEL, t_quantile
from fits.runs.table import Floats

POWER = 0.8
"""Power at which the smallest movement is stated."""
PRECISION = 1e-6
"""Share of the sampled range to which a minimum is found; the residual is then right to its square."""


@dataclass(frozen=True, kw_only=True, eq=False)
class JointFit:
    """The cells, fitted together: what they say of a rule is what it adds to their summed residual."""

    pins: tuple[MinimumProfile, ...]
    """The cells."""

    @cached_property
    def error(self) -> float:
        """Sum of squared residuals where each cell has its minimum where it likes."""
        return sum(pin.free for pin in self.pins)

    @cached_property
    def dof(self) -> int:
        """Degrees of freedom of that."""
        return sum(pin.dof for pin in self.pins)

    @property
    def variance(self) -> float:
        """Variance of the noise, pooled over the cells."""
        return self.error / self.dof

    @cached_property
    def low(self) -> float:
        """Smallest x that any cell samples."""
        return min(pin.low for pin in self.pins)

    @cached_property
    def high(self) -> float:
        """Largest x that any cell samples."""
        return max(pin.high for pin in self.pins)

    @cached_property
    def common(self) -> tuple[float, float]:
        """The one x of all minima that leaves the least residual, and that residual."""
        theta, residual = self.best(np.ones((len(self.pins), 1)))
        return float(theta[0]), residual

    @property
    def F(self) -> float:
        """F of one x for all minima, with cells - 1 and `dof` degrees of freedom."""
        added = max(0.0, self.common[1] - self.error) / (len(self.pins) - 1)
        return added / self.variance if self.variance > 0 else (0.0 if added == 0 else math.inf)

    @property
    def p(self) -> float:
        """Probability of an F as large where all minima are at one x."""
        return tail(self.F, len(self.pins) - 1, self.dof)

    def total(self, terms: Floats, theta: Floats) -> Floats:
        """Return the residual with each cell's minimum at its row of `terms` (cells, p) times theta (..., p)."""
        return np.asarray(sum(pin.residual(theta @ row) for pin, row in zip(self.pins, terms, strict=True)))

    def best(self, terms: Floats) -> tuple[Floats, float]:
        """Return the coefficients of `terms`, a constant first, with the least residual, and that residual."""
        theta, residual = self.descend(terms, np.empty((1, 0)))
        return theta[0], float(residual[0])

    def descend(self, terms: Floats, held: Floats) -> tuple[Floats, Floats]:
        """Minimise over all but the last coefficients, which are `held`, shape (m, h); return theta (m, p), residuals.

        A lattice over all that the sampled range allows is narrowed again and again, for every row of `held` together:
        no gradient, because the residual is smooth only piecewise.
        """
        free, reach = terms.shape[1] - held.shape[1], self.high - self.low
        width = np.array([reach / 2, *(reach / np.ptp(terms[:, 1:free], axis=0))])
        steps = {1: 81, 2: 31}.get(free, 17)
        shrink = min(0.4, 6 / steps)
        lattice = np.array(list(itertools.product(np.linspace(-1, 1, steps), repeat=free)))
        centre = np.tile([(self.low + self.high) / 2, *[0.0] * (free - 1)], (len(held), 1))
        for _ in range(math.ceil(math.log(PRECISION) / math.log(shrink))):
            points = centre[:, None, :] + lattice * width  # (m, lattice, free)
            fixed = np.broadcast_to(held[:, None, :], (*points.shape[:2], held.shape[1]))
            residuals = self.total(terms, np.concatenate([points, fixed], axis=2))
            at = np.argmin(residuals, axis=1)
            centre = points[np.arange(len(held)), at]
            width = width * shrink
        return np.hstack([centre, held]), residuals[np.arange(len(held)), at]

    def allowed(self, residuals: Floats, least: float) -> NDArray[np.bool_]:
        """Return which residuals one coefficient more does not tell from the `least`, at 95 %."""
        return np.asarray(residuals <= least + t_quantile(self.dof) ** 2 * self.variance)

    def interval(self) -> tuple[float | None, float | None]:
        """Return the 95 % interval of the common x, were there one; an end at the end of the range is None."""
        scan = np.linspace(self.low, self.high, 4001)
        kept = scan[self.allowed(self.total(np.ones((len(self.pins), 1)), scan[:, None]), self.common[1])]
        lo, hi = (float(kept[0]), float(kept[-1])) if len(kept) else (self.common[0],) * 2
        return None if lo <= self.low else lo, None if hi >= self.high else hi

    def coefficient(self, terms: Floats) -> tuple[float, float | None, float | None]:
        """Return the last coefficient of `terms` and its 95 % profile interval; an end that is not found is None."""
        theta, least = self.best(terms)
        value, reach = float(theta[-1]), 2 * (self.high - self.low) / float(np.ptp(terms[:, -1]))
        scan = value + np.linspace(-1, 1, 201) * reach
        for _ in range(3):  # each pass looks closer at the steps at which the interval ends
            kept = np.flatnonzero(self.allowed(self.descend(terms, scan[:, None])[1], least))
            if not len(kept):
                return value, value, value
            first, last = kept[0], kept[-1]
            lo, hi = (float(min(scan[first], value)), float(max(scan[last], value)))
            if first == 0 or last == len(scan) - 1:
                break
            scan = np.linspace(scan[first - 1], scan[last + 1], 201)
        return value, None if first == 0 else lo, None if last == len(scan) - 1 else hi

    def detectable(self) -> float | None:
        """Return the movement of x from the first to the last cell, in even steps, that the F test shows in 80 % of
        studies; null above 3."""
        from scipy.special import fdtri, ncfdtr

        x0, cells = self.common[0], len(self.pins)
        shapes = [pin.shape(x0) for pin in self.pins]
        critical = float(fdtri(cells - 1, self.dof, 1 - TEST_LEVEL))

        def power(movement: float) -> float:
            places = x0 + movement * np.linspace(-0.5, 0.5, cells)
            moved = [pin.moved(x, shape) for pin, x, shape in zip(self.pins, places, shapes, strict=True)]
            shift = JointFit(pins=tuple(moved)).common[1] / self.variance
            return float(1 - ncfdtr(cells - 1, self.dof, max(shift, 0.0), critical))

        low, high = 0.0, 3.0
        if self.variance <= 0 or power(high) < POWER:
            return None
        for _ in range(12):
            middle = (low + high) / 2
            low, high = (low, middle) if power(middle) >= POWER else (middle, high)
        return high
