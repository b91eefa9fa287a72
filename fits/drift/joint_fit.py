"""Several cells of runs fitted together: each has its own shape and noise, and one rule gives the minima of all.

A cell enters by how much worse a minimum at x fits than its best one (`ShapeFits.excess`), as the square of a t. The
sum over cells is compared with quantiles of F and t.
"""

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fits.curve.shapes import ShapeFits, central
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
        return np.asarray(sum(cell.excess(theta @ row) for cell, row in zip(self.cells, terms, strict=True)))

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
        """Return the 95 % interval of a common minimum, from the product of the densities; None for an open end."""
        scan = np.linspace(
            min(cell.places[0] for cell in self.cells), max(cell.places[-1] for cell in self.cells), 4001
        )
        logs = np.sum([np.interp(scan, cell.places, cell.logs) for cell in self.cells], axis=0)
        lo, hi = central(scan, np.exp(logs - logs.max()))
        lo, hi = min(lo, self.common[0]), max(hi, self.common[0])
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
        studies, with the SD of the density of each cell; None above the sampled range."""
        from scipy.special import fdtri, ncfdtrinc

        count = len(self.cells)
        critical = float(fdtri(count - 1, self.dof, 1 - TEST_LEVEL))
        needed = float(ncfdtrinc(count - 1, self.dof, 1 - POWER, critical))
        weights, steps = np.array([cell.sd**-2 for cell in self.cells]), np.linspace(-0.5, 0.5, count)
        steps = steps - np.average(steps, weights=weights)
        movement = math.sqrt(needed / float(np.sum(weights * steps**2)))
        return movement if movement <= self.high - self.low else None
