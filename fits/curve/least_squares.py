"""A curve fitted by least squares, seeds as blocks: its height, slope and bend at any x, each with a standard error.

The arms of one seed share initial state and data order, so a seed moves all of them together. Each seed therefore
has an intercept of its own (they sum to zero, so the curve is that of the average seed).
"""

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fits.intervals import first, half_width, t_quantile
from fits.laws.curve_basis import Basis
from fits.runs.table import Floats

ROUGHNESS = (1e-4, 1e8, 61)
"""Scan of the variance of a spline's bends over that of the noise: lowest and highest (in units in which 1 halves the
strongest bend), and steps."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedCurve:
    """A fitted curve."""

    basis: Basis
    """Its functions."""
    coefficients: Floats
    """Their coefficients, shape (k,)."""
    covariance: Floats
    """Covariance of these, shape (k, k); NaN where nothing is left to judge them by. Of a spline it is Bayesian: it
    counts what smoothing may have hidden (G. Wahba, J. R. Stat. Soc. B 45 (1983) 133)."""
    residual: float
    """Sum of squared residuals."""
    variance: float
    """Estimated variance of the noise; NaN where `dof` is 0."""
    dof: float
    """Degrees of freedom of that variance."""
    blocks: Floats
    """Further columns of the design, shape (n, b); b may be 0."""
    shifts: Floats
    """What each seed adds, shape (seeds,), sum zero; empty without blocks."""
    low: float
    """Smallest sampled x."""
    high: float
    """Largest sampled x."""

    @property
    def sd(self) -> float:
        """Residual SD."""
        return math.sqrt(self.variance)

    @cached_property
    def t(self) -> float:
        """Two-sided 95 % quantile of Student's t."""
        return t_quantile(self.dof)

    @cached_property
    def lowest(self) -> float:
        """The x in the sampled range at which the curve is lowest; exactly an end where it is lowest there."""
        scan = np.linspace(self.low, self.high, 257)
        at = int(np.argmin(self.height(scan)))
        left, right = scan[max(at - 1, 0)], scan[min(at + 1, len(scan) - 1)]
        turning = first(lambda x: self.height(x, 1) >= 0, left, right)
        if math.isnan(turning):
            return self.high
        slope, bend = (float(self.height(np.array([turning]), order)[0]) for order in (1, 2))
        if turning == self.low or bend <= 0:
            return turning
        return float(np.clip(turning - slope / bend, self.low, self.high))

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Return the x in the sampled range that the 95 % t test does not exclude as the place of the minimum.

        Inside, a minimum has slope zero; at an end the slope may also lead out of the range; and at none is the curve
        higher than at its lowest point by more than t standard errors. The hull of what passes is returned: where it
        reaches an end of the range, minima beyond are not excluded. For a parabola this is Fieller's set within it
        (E. C. Fieller, J. R. Stat. Soc. B 16 (1954) 175).
        """
        floor, t = self.lowest, self.t

        def accepted(x: Floats) -> NDArray[np.bool_]:
            slope, error = self.at(x, 1)
            rise, rise_error = self.above(x, floor)
            falls, climbs = slope < -t * error, slope > t * error
            level = ~(falls & (x < self.high)) & ~(climbs & (x > self.low))
            return np.asarray(level & (rise <= t * rise_error))

        ends = [first(accepted, end, floor) for end in (self.low, self.high)]
        lo, hi = (floor if math.isnan(end) else end for end in ends)
        return lo, hi

    @cached_property
    def level(self) -> tuple[float, float, float]:
        """Return the loss at the minimum, and the ends of its 95 % interval, for seeds like these.

        Where seeds are blocks, other seeds would shift the curve anew: the variance of their mean shift is estimated
        from the shifts and added to that of the curve.
        """
        value, error = (float(each[0]) for each in self.at(np.array([self.lowest])))
        half, seeds = self.t * error, len(self.shifts)
        if seeds > 1:
            between = float(np.var(self.shifts, ddof=1)) / seeds
            within = max(error**2 - self.variance / len(self.blocks), 0.0)  # the mean's noise is in `between` already
            half = half_width((between, seeds - 1), (within, self.dof))
        return value, value - half, value + half

    @cached_property
    def bends_upwards(self) -> bool:
        """Whether the slope rises over the sampled range by more than rounding can make it."""
        slopes, heights = self.at(np.array([self.low, self.high]), 1)[0], self.at(np.array([self.low]))[0]
        return bool(np.diff(slopes)[0] > 2e-13 * float(np.abs(heights).max()) / (self.high - self.low))

    def height(self, x: Floats, derivative: int = 0) -> Floats:
        """Return the height (or slope, or bend) at x, shape (m,)."""
        return np.asarray(self.basis.columns(x, derivative) @ self.coefficients)

    def at(self, x: Floats, derivative: int = 0) -> tuple[Floats, Floats]:
        """Return the height (or slope, or bend) at x of shape (m,) and its standard error."""
        return self.apply(self.basis.columns(x, derivative))

    def above(self, x: Floats, floor: float) -> tuple[Floats, Floats]:
        """Return the height at x over that at `floor`, and the standard error of the difference."""
        return self.apply(self.basis.columns(x) - self.basis.columns(np.array([floor])))

    def apply(self, columns: Floats) -> tuple[Floats, Floats]:
        """Return linear combinations of the coefficients, rows of shape (m, k), and their standard errors."""
        variance = np.sum((columns @ self.covariance) * columns, axis=1)
        return columns @ self.coefficients, np.sqrt(np.maximum(variance, 0.0))


@dataclass(frozen=True, kw_only=True, eq=False)
class CurveData:
    """Runs that curves are fitted to; each curve is fitted once."""

    x: Floats
    """ln r_a (or ln K, ln G), shape (n,)."""
    loss: Floats
    """Losses, nats per token, shape (n,)."""
    blocks: Floats
    """Columns of the seeds' intercepts, shape (n, b); b may be 0."""
    _lines: dict[Basis, FittedCurve | None] = field(default_factory=dict)

    def line(self, basis: Basis) -> FittedCurve | None:
        """Return the curve; None where the runs do not determine it."""
        if basis not in self._lines:
            self._lines[basis] = fit_basis(basis, self.x, self.loss, self.blocks)
        return self._lines[basis]

    @cached_property
    def rates(self) -> int:
        """Distinct x."""
        return int(np.unique(np.round(self.x, 6)).size)

    @cached_property
    def rounding(self) -> float:
        """Sum of squares that rounding alone can leave."""
        return 1e-24 * float(np.sum(self.loss**2))

    @cached_property
    def lowest_mean(self) -> float:
        """The x with the lowest mean loss."""
        places, codes = np.unique(np.round(self.x, 6), return_inverse=True)
        means = np.bincount(codes, weights=self.loss) / np.bincount(codes)
        return float(places[np.argmin(means)])


def fit_basis(
    basis: Basis, x: Floats, loss: Floats, blocks: Floats, on: NDArray[np.bool_] | None = None
) -> FittedCurve | None:
    """Fit the basis and the block columns to `loss`, shape (n,); None where the runs do not determine them.

    Runs outside of `on`, shape (n,), are not on the curve, and only the block columns describe them. A basis without
    shrunk functions is fitted by QR after scaling the columns; a spline's smoothing is chosen by restricted maximum
    likelihood (REML).
    """
    columns = basis.columns(x) if on is None else basis.columns(x) * on[:, None]
    design = np.hstack([columns[:, : basis.free], blocks])
    n, p = design.shape
    if n < p or np.linalg.matrix_rank(design / np.linalg.norm(design, axis=0)) < p:
        return None
    shrunk = columns[:, basis.free :]
    ratio = _roughness(design, shrunk, loss) if shrunk.shape[1] else 0.0
    if shrunk.shape[1] and n == p:
        return None
    ridge = np.hstack([np.zeros((shrunk.shape[1], p)), np.eye(shrunk.shape[1])])
    rows = np.vstack([np.hstack([design, math.sqrt(ratio) * shrunk]), ridge])
    target = np.concatenate([loss, np.zeros(len(ridge))])
    scale = np.linalg.norm(rows, axis=0)
    q, r = np.linalg.qr(rows / scale)
    inverse = np.linalg.inv(r) / scale[:, None]
    solution = inverse @ (q.T @ target)
    penalised = float(np.sum((target - rows @ solution) ** 2))
    dof = n - p - float(np.sum(q[:n, p:] ** 2))  # trace of the smoother beyond its free part
    variance = penalised / (n - p) if n > p else math.nan
    keep = np.r_[0 : basis.free, p : rows.shape[1]]
    size = np.concatenate([np.ones(basis.free), np.full(shrunk.shape[1], math.sqrt(ratio))])
    covariance = variance * (inverse @ inverse.T)[np.ix_(keep, keep)] * np.outer(size, size)
    fitted = rows[:n] @ solution
    shifts = solution[basis.free : p]
    return FittedCurve(
        basis=basis,
        coefficients=solution[keep] * size,
        covariance=covariance,
        residual=float(np.sum((loss - fitted) ** 2)),
        variance=variance,
        dof=dof,
        blocks=blocks,
        shifts=np.append(shifts, -shifts.sum()) if len(shifts) else shifts,
        low=float((x if on is None else x[on]).min()),
        high=float((x if on is None else x[on]).max()),
    )


def _roughness(design: Floats, shrunk: Floats, loss: Floats) -> float:
    """Return the REML estimate of the variance of the shrunk coefficients over that of the noise; it may be 0.

    In the space that the free columns leave, the likelihood is that of independent normals with variances 1 + ratio
    s^2, s the singular values of what is left of the shrunk columns, and 1 in all further directions.
    """
    n, p = design.shape
    q = np.linalg.qr(design)[0]
    rest, target = shrunk - q @ (q.T @ shrunk), loss - q @ (q.T @ loss)
    u, s, _ = np.linalg.svd(rest, full_matrices=False)
    z, power = (u.T @ target) ** 2, s**2
    further = max(0.0, float(target @ target - z.sum()))
    if n == p or power.max() <= 0:
        return 0.0

    def deviance(ratios: Floats) -> Floats:
        spread = 1 + ratios[:, None] * power
        squares = np.sum(z / spread, axis=1) + further + 1e-300
        return np.asarray((n - p) * np.log(squares) + np.sum(np.log(spread), axis=1))

    lo, hi, steps = ROUGHNESS
    scan = np.concatenate([[0.0], np.geomspace(lo, hi, steps) / power.max()])
    if np.argmin(deviance(scan)) == 0:
        return 0.0
    for _ in range(5):  # each pass narrows the bracket of the lowest point to a twentieth
        best = int(np.argmin(deviance(scan)))
        ends = scan[max(best - 1, 0)] or scan[1], scan[min(best + 1, len(scan) - 1)]
        scan = np.geomspace(*ends, 41)
    return float(scan[int(np.argmin(deviance(scan)))])
