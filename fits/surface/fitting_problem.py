"""A fitting problem: a law, its runs, and the objective.

The objective is the sum over runs of Huber(delta) of the residual ln L_fit - ln L (arXiv 2203.15556, approach 3):
r^2 / 2 where |r| <= delta, delta (|r| - delta / 2) beyond. An infinite delta gives least squares, and delta = 0 gives
least absolute deviations, the sum of |r|. It is the sum and not the mean: on the mean, the usual absolute tolerances
stop a search long before the minimum (arXiv 2404.10102).
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fits.laws.law import Columns, Law
from fits.runs.table import Floats

NARROWEST = 1e-11
"""Huber width used for delta = 0: far below the noise of any ln L."""


ONE_VALUE = 0.05
"""Range of ln of a column below which its term is not fitted. N of matched arms differs by less."""


def held_at_one_value(law: Law, columns: Columns) -> dict[str, float]:
    """Return the parameters that `law` holds at a value because all runs have one value of a column, (n,) each."""
    one = [name for name in law.held if len(columns[name]) and np.ptp(np.log(columns[name])) < ONE_VALUE]
    return {name: value for column in one for name, value in law.held[column].items()}


def huber(residuals: Floats, delta: float) -> tuple[Floats, Floats]:
    """Return Huber's rho and its derivative psi; an infinite `delta` gives least squares."""
    psi = np.clip(residuals, -delta, delta)
    return psi * (residuals - 0.5 * psi), psi


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """A law, the runs to fit, and the objective."""

    law: Law
    """The law."""
    columns: Columns
    """Its columns, each of shape (n,), positive."""
    loss: Floats
    """Losses, shape (n,), positive."""
    delta: float
    """Huber width in ln L; inf for least squares, 0 for least absolute deviations."""
    weights: Floats | None = None
    """Weight of each run, shape (n,); None for equal weights of one."""
    fixed: Mapping[str, float] = field(default_factory=dict)
    """Values of the parameters that are not fitted, as printed."""
    groups: Mapping[str, NDArray[np.intp]] = field(default_factory=dict)
    """Group of each run, shape (n,), by a column whose values may share noise."""
    in_nats: bool = False
    """Whether residuals are L_fit - L instead of ln L_fit - ln L; delta is then in nats."""

    @cached_property
    def logs(self) -> Columns:
        """ln of each column, shape (n,)."""
        return {name: np.log(self.columns[name]) for name in self.law.columns}

    @cached_property
    def target(self) -> Floats:
        """ln L, shape (n,)."""
        return np.log(self.loss)

    @property
    def observed(self) -> Floats:
        """Observed values of the residuals, shape (n,): ln L, or L if they are in nats."""
        return self.loss if self.in_nats else self.target

    @cached_property
    def free(self) -> list[int]:
        """Positions in theta of the fitted parameters."""
        return [j for j, name in enumerate(self.law.parameters) if name not in self.fixed]

    @property
    def each(self) -> Floats:
        """The weights, shape (n,)."""
        return np.ones_like(self.loss) if self.weights is None else self.weights

    def residuals(self, theta: Floats) -> Floats:
        """Return ln L_fit - ln L, or L_fit - L if they are in nats, shape (n,)."""
        fitted = self.law.log_loss(theta, self.logs)
        return np.exp(fitted) - self.loss if self.in_nats else fitted - self.target

    def jacobian(self, theta: Floats) -> Floats:
        """Return d residuals / d theta, shape (n, p)."""
        jacobian = self.law.jacobian(theta, self.logs)
        return jacobian * np.exp(self.law.log_loss(theta, self.logs))[:, None] if self.in_nats else jacobian

    def objective(self, theta: Floats) -> float:
        """Return the weighted sum of the Huber losses; of |r| for delta = 0, of r^2 / 2 for an infinite delta."""
        residuals = self.residuals(theta)
        return float(self.each @ (np.abs(residuals) if self.delta == 0 else huber(residuals, self.delta)[0]))

    def gradient(self, theta: Floats) -> Floats:
        """Return d objective / d theta, shape (p,), relative to the largest value that each component could take here.

        Least absolute deviations have no gradient at a residual of zero, so the narrowest Huber width is used.
        """
        jacobian, weights = self.jacobian(theta), self.each
        delta = self.delta or NARROWEST
        pull = huber(self.residuals(theta), delta)[1]
        reach = np.abs(pull) if delta == math.inf else np.full_like(pull, delta)
        largest = (weights * reach) @ np.abs(jacobian)
        return np.asarray(jacobian.T @ (weights * pull) / np.where(largest > 0, largest, 1.0))

    def take(self, rows: NDArray[np.intp]) -> "Problem":
        """Return the problem with the runs `rows`, shape (m,); rows may repeat."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        weights = None if self.weights is None else self.weights[rows]
        groups = {name: codes[rows] for name, codes in self.groups.items()}
        return dataclasses.replace(self, columns=columns, loss=self.loss[rows], weights=weights, groups=groups)

    def point(self, theta: Floats) -> Floats:
        """Return theta, shape (..., p), with fixed parameters at their values and the others clipped to the bounds."""
        lo, hi = np.array(self.law.bounds).T
        theta = np.clip(np.array(theta, float), lo, hi)
        for name, value in self.fixed.items():
            theta[..., self.law.parameters.index(name)] = self.law.coordinate(name, value)
        return theta
