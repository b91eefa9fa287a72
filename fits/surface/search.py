"""Robust fits of laws: a law and its runs form a Problem, a SearchMethod says how to search, the answer is a Solution.

    problem = Problem(law=LAWS["chinchilla"], columns={"N": N, "D": D}, loss=loss, delta=1e-3)
    solution = solve(problem)                        # from the law's own starts
    ends = solve_many(problem, solution.theta, weights=weights)  # one fit for each row of weights, all together

A Newton method with exact derivatives follows all starts, and all replicates of a bootstrap, together.
"""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fits.laws.law import some_rows
from fits.runs.table import Floats
from fits.surface.fitting_problem import NARROWEST, Problem
from fits.surface.huber_objective import local_model
from fits.surface.newton import Index, LocalModel, minimise

STATIONARY = 1e-5
"""Relative gradient up to which a point counts as a minimum; a converged fit reaches 1e-8."""
INFLUENCE = 1e-6
"""Change of ln L for one unit of theta below which a parameter affects no run: its term has vanished."""
PASSING = 100
"""Most steps at an intermediate Huber width, on the way to a narrower one."""
PART = 10_000
"""Number of runs from which the starts are first followed on a sample of this size, and then on all runs."""
TIED = 1e-11
"""Relative difference of objectives within which the first of the starts is taken."""
AGREES = 1e-6
"""Relative difference of objectives up to which two starts found the same minimum."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchMethod:
    """How a minimum is searched."""

    starts: Floats | None = None
    """Starting points, shape (m, p); None for the starts of the law."""
    steps: int = 400
    """Most Newton steps of one start; the published tables need 10 to 40."""
    within: float = 1.05
    """Other minima are reported up to this multiple of the best objective."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalMinimum:
    """A minimum that some starts found."""

    theta: Floats
    """Shape (p,)."""
    objective: float
    """The objective there."""
    starts: int
    """Number of starts that ended there."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """The best point that a search found."""

    theta: Floats
    """Shape (p,)."""
    objective: float
    """The objective there."""
    gradient: float
    """Largest component of the relative gradient there, over free parameters that act and are not at a bound."""
    condition: float
    """Condition number of the Jacobian of these parameters, with columns scaled to length one."""
    acting: NDArray[np.bool_]
    """Which parameters affect the fitted loss of any run, shape (p,)."""
    at_bound: NDArray[np.bool_]
    """Which parameters ended at a bound, shape (p,)."""
    fixed: NDArray[np.bool_]
    """Which parameters were not fitted, shape (p,)."""
    starts: int
    """Number of starting points."""
    agreeing: int
    """Number of starts that reached this objective."""
    others: tuple[LocalMinimum, ...] = ()
    """Other minima within the method's multiple of the objective, best first."""

    @property
    def converged(self) -> bool:
        """Whether the point is stationary."""
        return self.gradient <= STATIONARY


@dataclass(frozen=True, kw_only=True, eq=False)
class Endpoints:
    """The points at which B searches ended."""

    theta: Floats
    """Shape (B, p)."""
    objective: Floats
    """Shape (B,)."""


@np.errstate(all="ignore")  # a trial step may overflow; its objective is then not finite, and the step is refused
def solve(problem: Problem, method: SearchMethod | None = None) -> Solution:
    """Follow every start to convergence, all together, and return the best end with what is known about it."""
    method = method or SearchMethod()
    law = problem.law
    starts = law.starts(law, problem.logs, problem.target) if method.starts is None else method.starts
    starts = problem.point(starts)
    if len(problem.loss) > PART:
        part = problem.take(some_rows(len(problem.loss), PART))
        starts = solve_many(part, starts, steps=method.steps).theta
    ends = solve_many(problem, starts, steps=method.steps)
    # The first of the tied starts, and not the lowest of them: rounding would choose that one, and differently on
    # another processor.
    tied = ends.objective <= ends.objective.min() * (1 + TIED)
    return _described(problem, method, ends, best=int(np.argmax(tied)))


@np.errstate(all="ignore")
def solve_many(
    problem: Problem,
    starts: Floats,
    *,
    weights: Floats | None = None,
    losses: Floats | None = None,
    steps: int = SearchMethod.steps,
) -> Endpoints:
    """Follow B searches together: one problem from many starts, or many replicates of it.

    starts: (B, p), or (p,) for all; fixed parameters keep the values of the start. weights and losses of the runs in
    each replicate: (B, n), or None for those of the problem.
    """
    given = [len(each) for each in (np.atleast_2d(starts), weights, losses) if each is not None]
    theta = np.array(np.broadcast_to(starts, (max(given), len(problem.law.parameters))), float)
    weights = problem.each if weights is None else weights
    target = problem.observed if losses is None else losses if problem.in_nats else np.log(losses)
    lo, hi = np.array(problem.law.bounds).T[:, problem.free]
    widths = _widths(problem, theta)
    for delta in widths:

        def evaluate(moving: Floats, which: Index, delta: float = delta) -> LocalModel:
            """Return the objective and its derivatives in the free parameters, for the searches `which`."""
            point = theta[which]
            point[:, problem.free] = moving
            own, aim = (each if each.ndim == 1 else each[which] for each in (weights, target))
            return local_model(problem, point, own, aim, delta)

        most = steps if delta == widths[-1] else min(steps, PASSING)
        found, here = minimise(evaluate, theta[:, problem.free], lo, hi, steps=most)
        theta[:, problem.free] = found
    # with delta = 0, the narrow Huber loss is delta |r|, so dividing by delta gives the sum of |r|
    return Endpoints(theta=theta, objective=here.value / (delta if problem.delta == 0 else 1.0))


def _widths(problem: Problem, theta: Floats) -> list[float]:
    """Return the Huber widths to use in turn: the problem's own; for least absolute deviations ever narrower ones.

    |r| has no curvature, so Newton's method approaches it through Huber losses, each started from the previous minimum.
    """
    if problem.delta:
        return [problem.delta]
    widest = max(float(np.median(np.abs(problem.residuals(theta[0])))), NARROWEST)
    return [NARROWEST * 10.0**step for step in range(math.ceil(math.log10(widest / NARROWEST)), -1, -1)]


def _described(problem: Problem, method: SearchMethod, ends: Endpoints, best: int) -> Solution:
    law, theta = problem.law, ends.theta[best]
    lowest = problem.objective(theta)
    lo, hi = np.array(law.bounds).T
    jacobian = problem.jacobian(theta)
    fixed = np.array([name in problem.fixed for name in law.parameters])
    acting = np.abs(jacobian).max(axis=0) > INFLUENCE
    at_bound = ~fixed & np.isfinite(hi - lo) & (np.minimum(theta - lo, hi - theta) < 1e-5)
    # only these must be stationary: at a bound the gradient points outwards, and a vanished term has none
    inner = acting & ~at_bound & ~fixed
    return Solution(
        theta=theta,
        objective=lowest,
        gradient=float(np.abs(problem.gradient(theta))[inner].max(initial=0.0)),
        condition=_condition(jacobian[:, inner]),
        acting=acting,
        at_bound=at_bound,
        fixed=fixed,
        starts=len(ends.objective),
        agreeing=int((ends.objective <= _same(problem, lowest)).sum()),
        others=_others(problem, ends, lowest, method.within),
    )


def _same(problem: Problem, objective: float) -> float:
    """Return the highest objective that counts as this one; without noise, residuals reach 1e-10 and not zero."""
    return objective * (1 + AGREES) + len(problem.loss) * (1e-20 if problem.delta else 1e-10)


def _condition(jacobian: Floats) -> float:
    """Return the condition number of the columns (n, q) scaled to length one; infinite if they are dependent."""
    if not jacobian.shape[1]:
        return 1.0
    singular = np.linalg.svd(jacobian / np.linalg.norm(jacobian, axis=0), compute_uv=False)
    return float(singular[0] / singular[-1]) if singular[-1] > 0 and len(jacobian) >= jacobian.shape[1] else math.inf


def _others(problem: Problem, ends: Endpoints, lowest: float, within: float) -> tuple[LocalMinimum, ...]:
    """Return the minima above the lowest, one for each group of starts that agree, best first."""
    found: list[LocalMinimum] = []
    floor = _same(problem, lowest)
    for at in np.argsort(ends.objective, kind="stable"):
        objective = float(ends.objective[at])
        if not floor < objective <= lowest * within:
            continue
        if found and objective <= _same(problem, found[-1].objective):
            found[-1] = dataclasses.replace(found[-1], starts=found[-1].starts + 1)
        else:
            found.append(LocalMinimum(theta=ends.theta[at], objective=objective, starts=1))
    return tuple(found)
