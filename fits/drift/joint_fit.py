"""Several cells of runs fitted together: each has its own shape and noise, and one rule gives the minima of all.

A cell enters by how much worse its best shape with the minimum at x fits than its best shape of all, in units of its
own noise variance (`fits.curve.shapes`). The sum over cells is compared with quantiles of F and t.
"""

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fits.curve.shapes import ShapeFits
from fits.f_test import f_tail
from fits.intervals import TEST_LEVEL, t_quantile
from fits.runs.table import Floats

POWER = 0.8
"""Power at which the smallest detectable movement is given."""
PRECISION = 1e-6
"""Precision of a minimum, as a share of the sampled range; the residual is accurate to its square."""


@dataclass(frozen=True, kw_only=True, eq=False)
class JointFit:
    """The cells, fitted together. A rule for the minima is judged by how much worse the cells fit under it."""

    cells: tuple[ShapeFits, ...]
    """The cells."""
    variances: tuple[float, ...]
    """Variance to which the residuals of each cell are compared."""

    @cached_property
    def dof(self) -> int:
        """Degrees of freedom of the noise of all cells."""
        return sum(cell.dof for cell in self.cells)

    @cached_property
    def low(self) -> float:
        """Smallest x that any cell samples."""
        return min(float(cell.means.x[0]) for cell in self.cells)

    @cached_property
    def high(self) -> float:
        """Largest x that any cell samples."""
        return max(float(cell.means.x[-1]) for cell in self.cells)

    @cached_property
    def common(self) -> tuple[float, float]:
        """The common x of all minima with the least residual, and that residual."""
        theta, residual = self.best(np.ones((len(self.cells), 1)))
        return float(theta[0]), residual

    @property
    def F(self) -> float:
        """F statistic of a common minimum, with cells - 1 and `dof` degrees of freedom."""
        return self.common[1] / (len(self.cells) - 1)

    @property
    def p(self) -> float:
        """p of the F test of a common minimum."""
        return f_tail(self.F, len(self.cells) - 1, self.dof)

    def total(self, terms: Floats, theta: Floats) -> Floats:
        """Return how much worse the cells fit with their minima at terms @ theta; terms (cells, p), theta (..., p)."""
        falls = zip(self.cells, self.variances, terms, strict=True)
        return np.asarray(sum(_excess(cell, theta @ row) / variance for cell, variance, row in falls))

    def best(self, terms: Floats) -> tuple[Floats, float]:
        """Return the coefficients of `terms`, a constant first, with the least residual, and that residual."""
        theta, residual = self.descend(terms, np.empty((1, 0)))
        return theta[0], float(residual[0])

    def descend(self, terms: Floats, held: Floats) -> tuple[Floats, Floats]:
        """Minimise over all but the last coefficients, which are `held`, shape (m, h); return theta (m, p), residuals.

        A lattice over the sampled range is narrowed repeatedly, for all rows of `held` together. It uses no gradient,
        because the residual is only piecewise smooth.
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
        """Return which residuals do not differ significantly (95 %, one coefficient) from the `least`."""
        return np.asarray(residuals <= least + t_quantile(self.dof) ** 2)

    def interval(self) -> tuple[float | None, float | None]:
        """Return the 95 % interval of a common minimum; None for an end at the end of the range."""
        scan = np.linspace(self.low, self.high, 4001)
        kept = scan[self.allowed(self.total(np.ones((len(self.cells), 1)), scan[:, None]), self.common[1])]
        lo, hi = (float(kept[0]), float(kept[-1])) if len(kept) else (self.common[0],) * 2
        return None if lo <= self.low else lo, None if hi >= self.high else hi

    def without_last(self, terms: Floats) -> float:
        """Return p of the test that the last coefficient of `terms` is zero."""
        return f_tail(self.best(terms[:, :-1])[1] - self.best(terms)[1], 1, self.dof)

    def coefficient(self, terms: Floats) -> tuple[float, float | None, float | None]:
        """Return the last coefficient of `terms` and its 95 % profile interval; None for an end that is not found."""
        theta, least = self.best(terms)
        value, reach = float(theta[-1]), 2 * (self.high - self.low) / float(np.ptp(terms[:, -1]))
        scan = value + np.linspace(-1, 1, 201) * reach
        for _ in range(3):  # each pass refines the scan around the ends of the interval
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
        """Return the movement of x from the first to the last cell, in even steps, that the F test detects in 80 % of
        studies; None above the sampled range."""
        from scipy.special import fdtri, ncfdtr

        x0, count = self.common[0], len(self.cells)
        critical = float(fdtri(count - 1, self.dof, 1 - TEST_LEVEL))

        def power(movement: float) -> float:
            """Return the power of the F test where the minima move by so much from first to last."""
            places = x0 + movement * np.linspace(-0.5, 0.5, count)
            moved = tuple(cell.moved(float(x)) for cell, x in zip(self.cells, places, strict=True))
            shift = JointFit(cells=moved, variances=self.variances).common[1]
            return float(1 - ncfdtr(count - 1, self.dof, max(shift, 0.0), critical))

        if min(self.variances) <= 0:
            return None
        # far movements leave the places of the profile, so the power is searched from small movements on
        steps = np.linspace(0.0, self.high - self.low, 9)
        high = next((float(step) for step in steps[1:] if power(step) >= POWER), None)
        if high is None:
            return None
        low = high - float(steps[1])
        for _ in range(6):
            middle = (low + high) / 2
            low, high = (low, middle) if power(middle) >= POWER else (middle, high)
        return high


def _excess(cell: ShapeFits, x0: Floats) -> Floats:
    """Return the residual of a cell with its minimum at x0, any shape, less its least residual."""
    return np.interp(x0, cell.places, cell.profile) - cell.residual
