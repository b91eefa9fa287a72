"""A curve fitted by least squares, with seeds as blocks: its value and derivatives at any x, with standard errors.

The arms of one seed share initial state and data order, so a seed shifts all of them together. Each seed therefore has
its own intercept. The intercepts sum to zero, so the curve is that of the average seed.
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
"""Scan of the variance ratio of a spline's shrunk coefficients and the noise: lowest and highest ratio (1 halves the
strongest coefficient), and steps."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedCurve:
    """A fitted curve."""

    basis: Basis
    """Its functions."""
    coefficients: Floats
    """Their coefficients, shape (k,)."""
    covariance: Floats
    """Covariance of the coefficients, shape (k, k); NaN if no degrees of freedom are left. For a spline it is the
    Bayesian covariance, which includes the bias of smoothing (G. Wahba, J. R. Stat. Soc. B 45 (1983) 133)."""
    residual: float
    """Sum of squared residuals."""
    variance: float
    """Estimated variance of the noise; NaN if no degrees of freedom are left."""
    dof: float
    """Degrees of freedom of that variance; not a whole number for a spline."""
    blocks: Floats
    """Further columns of the design, shape (n, b); b may be 0."""
    shifts: Floats
    """Intercept of each seed, shape (seeds,), sum zero; empty without blocks."""
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
        """The x of the lowest point in the sampled range; exactly `low` or `high` if it is at an end."""
        scan = np.linspace(self.low, self.high, 257)
        at = int(np.argmin(self.height(scan)))
        left, right = scan[max(at - 1, 0)], scan[min(at + 1, len(scan) - 1)]
        turning = first(lambda x: self.height(x, 1) >= 0, left, right)
        if math.isnan(turning):
            return self.high
        slope, bend = (float(self.height(np.array([turning]), order)[0]) for order in (1, 2))
        if turning == self.low or bend <= 0:
            return turning
        # the scan ends within 2e-10 of the way; one Newton step reaches the precision of the arithmetic
        return float(np.clip(turning - slope / bend, self.low, self.high))

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the minimum: the sampled x at which a t test does not exclude a minimum.

        Inside the range, the derivative must not differ from zero. At an end, it may also point out of the range. In
        both cases the curve must not be higher there than at its lowest point by more than t standard errors. The hull
        of these x is returned; an end of the interval at an end of the range does not exclude minima beyond it. For a
        parabola this is Fieller's set within the range (E. C. Fieller, J. R. Stat. Soc. B 16 (1954) 175).
        """
        floor, t = self.lowest, self.t

        def accepted(x: Floats) -> NDArray[np.bool_]:
            """Return at which x the test of a minimum there does not reject."""
            slope, error = self.at(x, 1)
            rise, rise_error = self.above(x, floor)
            falls, climbs = slope < -t * error, slope > t * error
            level = ~(falls & (x < self.high)) & ~(climbs & (x > self.low))
            return np.asarray(level & (rise <= t * rise_error))

        # searched from the ends inwards, so that the hull is found even if the accepted set has gaps
        ends = [first(accepted, end, floor) for end in (self.low, self.high)]
        lo, hi = (floor if math.isnan(end) else end for end in ends)
        return lo, hi

    @cached_property
    def level(self) -> tuple[float, float, float]:
        """Return the loss at the minimum, and its 95 % interval for other seeds of the same training.

        With seeds as blocks, other seeds would shift the curve. The variance of the mean shift is estimated from the
        fitted shifts and added to the variance of the curve.
        """
        value, error = (float(each[0]) for each in self.at(np.array([self.lowest])))
        half, seeds = self.t * error, len(self.shifts)
        if seeds > 1:
            between = float(np.var(self.shifts, ddof=1)) / seeds
            within = max(error**2 - self.variance / len(self.blocks), 0.0)  # `between` already holds the mean's noise
            half = half_width((between, seeds - 1), (within, self.dof))
        return value, value - half, value + half

    @cached_property
    def bends_upwards(self) -> bool:
        """Whether the derivative rises from one end of the range to the other by more than rounding error."""
        slopes, heights = self.at(np.array([self.low, self.high]), 1)[0], self.at(np.array([self.low]))[0]
        return bool(np.diff(slopes)[0] > 2e-13 * float(np.abs(heights).max()) / (self.high - self.low))

    def height(self, x: Floats, derivative: int = 0) -> Floats:
        """Return the value, or a derivative, at x, shape (m,)."""
        return np.asarray(self.basis.columns(x, derivative) @ self.coefficients)

    def at(self, x: Floats, derivative: int = 0) -> tuple[Floats, Floats]:
        """Return the value, or a derivative, at x, shape (m,), and its standard error."""
        return self.combine(self.basis.columns(x, derivative))

    def above(self, x: Floats, floor: float) -> tuple[Floats, Floats]:
        """Return the value at x less the value at `floor`, and the standard error of the difference."""
        return self.combine(self.basis.columns(x) - self.basis.columns(np.array([floor])))

    def combine(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return linear combinations of the coefficients, one for each row of `weights` (m, k), and standard errors."""
        variance = np.sum((weights @ self.covariance) * weights, axis=1)
        return weights @ self.coefficients, np.sqrt(np.maximum(variance, 0.0))


@dataclass(frozen=True, kw_only=True, eq=False)
class CurveData:
    """Runs that curves are fitted to; each basis is fitted once."""

    x: Floats
    """ln r_a (or ln K, ln G), shape (n,)."""
    loss: Floats
    """Losses, nats per token, shape (n,)."""
    blocks: Floats
    """Columns of the seeds' intercepts, shape (n, b); b may be 0."""
    _fitted: dict[Basis, FittedCurve | None] = field(default_factory=dict)

    def fit(self, basis: Basis) -> FittedCurve | None:
        """Return the fitted curve; None if the runs do not determine it."""
        if basis not in self._fitted:
            self._fitted[basis] = fit_basis(basis, self.x, self.loss, self.blocks)
        return self._fitted[basis]

    @cached_property
    def rates(self) -> int:
        """Number of distinct x."""
        return int(np.unique(np.round(self.x, 6)).size)

    @cached_property
    def rounding(self) -> float:
        """Sum of squares that rounding error alone can leave."""
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
    """Fit the basis and the block columns to `loss`, shape (n,); return None if the runs do not determine them.

    `on`, shape (n,), selects the runs that lie on the curve; the block columns alone describe the others. A basis
    without shrunk functions is fitted by QR with scaled columns. The amount of smoothing of a spline is estimated by
    restricted maximum likelihood (REML).
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
    # ridge regression as ordinary least squares: one further row for each shrunk coefficient, with target zero
    ridge = np.hstack([np.zeros((shrunk.shape[1], p)), np.eye(shrunk.shape[1])])
    rows = np.vstack([np.hstack([design, math.sqrt(ratio) * shrunk]), ridge])
    target = np.concatenate([loss, np.zeros(len(ridge))])
    scale = np.linalg.norm(rows, axis=0)
    q, r = np.linalg.qr(rows / scale)
    inverse = np.linalg.inv(r) / scale[:, None]
    solution = inverse @ (q.T @ target)
    penalised = float(np.sum((target - rows @ solution) ** 2))
    dof = n - p - float(np.sum(q[:n, p:] ** 2))  # less the trace of the smoother beyond its free part
    variance = penalised / (n - p) if n > p else math.nan
    keep = np.r_[0 : basis.free, p : rows.shape[1]]  # the coefficients of the curve, without those of the blocks
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

    In the space orthogonal to the free columns, the likelihood is that of independent normal variables. Their variances
    are 1 + ratio s^2 along the singular vectors of the shrunk columns (s the singular values), and 1 elsewhere.
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
        """Return minus twice the log likelihood at each ratio of the two variances."""
        spread = 1 + ratios[:, None] * power
        squares = np.sum(z / spread, axis=1) + further + 1e-300
        return np.asarray((n - p) * np.log(squares) + np.sum(np.log(spread), axis=1))

    lo, hi, steps = ROUGHNESS
    scan = np.concatenate([[0.0], np.geomspace(lo, hi, steps) / power.max()])
    if np.argmin(deviance(scan)) == 0:
        return 0.0
    for _ in range(5):  # each pass narrows the bracket of the minimum to a twentieth
        best = int(np.argmin(deviance(scan)))
        ends = scan[max(best - 1, 0)] or scan[1], scan[min(best + 1, len(scan) - 1)]
        scan = np.geomspace(*ends, 41)
    return float(scan[int(np.argmin(deviance(scan)))])
