"""What is to be fitted: a law, its runs, and the objective.

The objective is the sum over runs of Huber(delta) of the residual ln L_fit - ln L (arXiv 2203.15556, approach 3):
r^2 / 2 where |r| <= delta, delta (|r| - delta / 2) beyond. The sum and not the mean: on the mean, tolerances made for
numbers near one stop a search long before the minimum (arXiv 2404.10102). An infinite delta is least squares, and a
delta of zero least absolute deviations, the sum of |r|.
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
"""Huber width that stands for zero: far below any noise of ln L."""


def huber(residuals: Floats, delta: float) -> tuple[Floats, Floats]:
    """Return Huber's rho and its derivative psi; an infinite `delta` is least squares."""
    psi = np.clip(residuals, -delta, delta)
    return psi * (residuals - 0.5 * psi), psi


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """A law, the runs it is to describe, and the objective."""

    law: Law
    """The law."""
    columns: Columns
    """Its columns, each of shape (n,), positive."""
    loss: Floats
    """Losses, shape (n,), positive."""
    delta: float
    """Residual of ln L beyond which a run pulls with constant force: inf for least squares, 0 for least deviations."""
    weights: Floats | None = None
    """Weight of each run in the objective, shape (n,); None for one each."""
    fixed: Mapping[str, float] = field(default_factory=dict)
    """Parameters that are not fitted, as papers print them."""
    in_nats: bool = False
    """Whether residuals are L_fit - L instead of their logarithms' difference; delta is then in nats."""

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
        """What the residuals are taken from, shape (n,): ln L, or L in nats."""
        return self.loss if self.in_nats else self.target

    @cached_property
    def free(self) -> list[int]:
        """Places in theta of the parameters that are fitted."""
        return [j for j, name in enumerate(self.law.parameters) if name not in self.fixed]

    @property
    def each(self) -> Floats:
        """The weights, shape (n,)."""
        return np.ones_like(self.loss) if self.weights is None else self.weights

    def residuals(self, theta: Floats) -> Floats:
        """Return ln L_fit - ln L, or L_fit - L in nats, shape (n,)."""
        fitted = self.law.log_loss(theta, self.logs)
        return np.exp(fitted) - self.loss if self.in_nats else fitted - self.target

    def jacobian(self, theta: Floats) -> Floats:
        """Return d residuals / d theta, shape (n, p)."""
        slopes = self.law.jacobian(theta, self.logs)
        return slopes * np.exp(self.law.log_loss(theta, self.logs))[:, None] if self.in_nats else slopes

    def objective(self, theta: Floats) -> float:
        """Return the weighted sum of the Huber losses, of |r| where delta is 0, or of r^2 / 2 where it is infinite."""
        residuals = self.residuals(theta)
        return float(self.each @ (np.abs(residuals) if self.delta == 0 else huber(residuals, self.delta)[0]))

    def gradient(self, theta: Floats) -> Floats:
        """Return d objective / d theta, shape (p,), over the largest value that each component could take here.

        Least absolute deviations have no gradient where a run is met; it is that of the narrowest Huber width.
        """
        slopes, weights = self.jacobian(theta), self.each
        delta = self.delta or NARROWEST
        pull = huber(self.residuals(theta), delta)[1]
        reach = np.abs(pull) if delta == math.inf else np.full_like(pull, delta)
        largest = (weights * reach) @ np.abs(slopes)
        return np.asarray(slopes.T @ (weights * pull) / np.where(largest > 0, largest, 1.0))

    def take(self, rows: NDArray[np.intp]) -> "Problem":
        """Return the problem of the runs `rows`, shape (m,), which may repeat."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        weights = None if self.weights is None else self.weights[rows]
        return dataclasses.replace(self, columns=columns, loss=self.loss[rows], weights=weights)

    def point(self, theta: Floats) -> Floats:
        """Return theta, shape (..., p), with the fixed parameters in their places and the others within bounds."""
        lo, hi = np.array(self.law.bounds).T
        theta = np.clip(np.array(theta, float), lo, hi)
        for name, value in self.fixed.items():
            theta[..., self.law.parameters.index(name)] = self.law.coordinate(name, value)
        return theta
