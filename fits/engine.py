"""Robust fits of loss surfaces: a law and its runs make a problem, the search is a method, the solution an answer.

What is minimised is the sum over runs of Huber(delta) of ln L - ln L_fit (arXiv 2203.15556, approach 3):
r^2 / 2 where |r| <= delta, delta (|r| - delta / 2) beyond. The sum and not the mean: on the mean, tolerances made for
numbers near one stop the search long before the minimum (arXiv 2404.10102).
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fits.table import Floats

Columns = Mapping[str, Floats]

TOLERANCE = 1e-15  # of least_squares: as tight as double precision lets it be, since an early stop is a wrong answer
EVALUATIONS = 1000  # of the residuals from one start; the published points need 20 to 130
STATIONARY = 1e-5  # relative gradient at which a point counts as a minimum; a converged fit reaches 1e-8
INFLUENCE = 1e-6  # change of ln L for one unit of theta below which a parameter acts on no run: its term has vanished
AGREES = 1e-6  # relative objective by which two starts may differ and still have found the same minimum


@dataclass(frozen=True, kw_only=True)
class Law:
    """A loss surface, written once. theta, shape (p,), is what the search moves, near one in scale."""

    name: str
    """Name of the law."""
    formula: str
    """The law as text."""
    source: str
    """Where the form and its fitting come from."""
    columns: tuple[str, ...]
    """Columns it needs beside the loss."""
    parameters: tuple[str, ...]
    """Names of the p parameters as papers print them."""
    bounds: tuple[tuple[float, float], ...]
    """Lowest and highest theta, one pair a parameter."""
    log_loss: Callable[[Floats, Columns], Floats]
    """(theta, columns) -> ln L, shape (n,)."""
    jacobian: Callable[[Floats, Columns], Floats]
    """(theta, columns) -> d ln L / d theta, shape (n, p)."""
    starts: Callable[[Columns, Floats], Floats]
    """(columns, loss) -> starting points, shape (m, p)."""
    natural: Callable[[Floats], Floats]
    """theta -> the parameters as papers print them, shape (p,)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """A law, the runs it is to describe, and the width of the Huber loss."""

    law: Law
    """The law."""
    columns: Columns
    """Its columns, each of shape (n,)."""
    loss: Floats
    """Losses, shape (n,), positive."""
    delta: float
    """Residual of ln L beyond which a run pulls with constant force."""

    def residuals(self, theta: Floats) -> Floats:
        """Return ln L_fit - ln L, shape (n,)."""
        return self.law.log_loss(theta, self.columns) - np.log(self.loss)

    def objective(self, theta: Floats) -> float:
        """Return the sum of the Huber losses."""
        size = np.abs(self.residuals(theta))
        return float(np.where(size <= self.delta, size**2 / 2, self.delta * (size - self.delta / 2)).sum())

    def gradient(self, theta: Floats) -> Floats:
        """Return d objective / d theta, shape (p,), over the largest value that each component could take here."""
        jacobian = self.law.jacobian(theta, self.columns)
        largest = self.delta * np.abs(jacobian).sum(axis=0)
        pull = np.clip(self.residuals(theta), -self.delta, self.delta)
        return np.asarray(jacobian.T @ pull / np.where(largest > 0, largest, 1.0))

    def take(self, rows: NDArray[np.intp]) -> "Problem":
        """Return the problem of the runs `rows`, shape (m,), which may repeat."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return dataclasses.replace(self, columns=columns, loss=self.loss[rows])


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """The best point that a search found."""

    theta: Floats
    """Shape (p,)."""
    objective: float
    """The objective there."""
    gradient: float
    """Largest component of the relative gradient there, of parameters that act and are not at a bound."""
    acting: NDArray[np.bool_]
    """Which parameters move the fitted loss of any run, shape (p,)."""
    at_bound: NDArray[np.bool_]
    """Which parameters ended at a bound, shape (p,)."""
    starts: int
    """Starting points."""
    agreeing: int
    """How many of them reached this objective."""

    @property
    def converged(self) -> bool:
        """Whether the point is stationary."""
        return self.gradient <= STATIONARY


def solve(problem: Problem, starts: Floats) -> Solution:
    """Follow each of `starts`, shape (m, p), to convergence and return the best end."""
    ends = [_polish(problem, start) for start in starts]
    objectives = np.array([problem.objective(theta) for theta in ends])
    best = int(np.argmin(objectives))
    rounding = len(problem.loss) * 1e-20  # residuals of 1e-10: a fit without noise is exact only up to this
    lo, hi = np.array(problem.law.bounds).T
    theta = ends[best]
    acting = np.abs(problem.law.jacobian(theta, problem.columns)).max(axis=0) > INFLUENCE
    at_bound = np.isfinite(hi - lo) & (np.minimum(theta - lo, hi - theta) < 1e-5)
    free = np.abs(problem.gradient(theta))[acting & ~at_bound]
    return Solution(
        theta=theta,
        objective=float(objectives[best]),
        gradient=float(free.max(initial=0.0)),
        acting=acting,
        at_bound=at_bound,
        starts=len(starts),
        agreeing=int((objectives <= objectives[best] * (1 + AGREES) + rounding).sum()),
    )


def _polish(problem: Problem, start: Floats) -> Floats:
    """Follow one start to convergence: scipy's cost with loss="huber" is exactly the objective of the problem."""
    from scipy.optimize import least_squares

    def jacobian(theta: Floats) -> Floats:
        return problem.law.jacobian(theta, problem.columns)

    found = least_squares(
        problem.residuals,
        start,
        jacobian,
        bounds=tuple(np.array(problem.law.bounds).T),
        method="trf",
        loss="huber",
        f_scale=problem.delta,
        x_scale="jac",
        ftol=TOLERANCE,
        xtol=TOLERANCE,
        gtol=TOLERANCE,
        max_nfev=EVALUATIONS,
    )
    return np.asarray(found.x, float)
