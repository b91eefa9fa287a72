"""Practical identifiability: parameters that can move far while the others compensate (profile of the objective).

The profile of a parameter is the lowest objective at each of its values. If it stays within a thousandth of the minimum
over a wide range, the estimate is one of many that fit equally well, whatever its digits suggest.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fits.runs.table import Floats
from fits.surface.fitting_problem import NARROWEST, Problem
from fits.surface.huber_objective import local_model
from fits.surface.newton import solve_definite
from fits.surface.search import Solution, solve_many

SHARE = 1e-3
"""Relative increase of the objective up to which a value fits equally well."""
WIDE = 4.0
"""Ratio of the highest to the lowest such value from which a parameter counts as poorly identified."""
SUSPECT = 1.3
"""Ratio predicted by the curvature at the minimum below which no profile is computed."""
OFFSETS = np.array([0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.6, 2.0, 2.5, 3.2, 4.0, 6.0, 10.0, 20.0])
"""Points of a profile, in units of the distance at which the curvature predicts its end."""


@dataclass(frozen=True, kw_only=True)
class FlatParameter:
    """A parameter with a flat profile."""

    name: str
    """Its name."""
    lo: float | None
    """Lowest value that fits equally well; null if the search found no end."""
    hi: float | None
    """Highest value that fits equally well; null if the search found no end."""


@np.errstate(all="ignore")
def flat_parameters(problem: Problem, solution: Solution) -> tuple[FlatParameter, ...]:
    """Return the free parameters whose values span a factor of WIDE, or have no end, at nearly the best objective."""
    profiles = (_profile(problem, solution, j, reach) for j, reach in _reach(problem, solution).items())
    return tuple(flat for flat in profiles if flat is not None)


def _reach(problem: Problem, solution: Solution) -> dict[int, float]:
    """Return how far each suspect parameter can move in theta, as predicted by the curvature at the minimum."""
    free = problem.free
    around = local_model(problem, solution.theta[None], problem.each, problem.observed, problem.delta or NARROWEST)
    scale = np.sqrt(np.maximum(np.diag(around.metric[0]), 1e-300))
    q = len(free)
    matrix = around.hessian / np.outer(scale, scale)
    inverse, definite = solve_definite(np.repeat(matrix, q, axis=0), np.eye(q))
    if not definite.all() or solution.objective == 0:
        return {}
    spread = np.sqrt(2 * SHARE * around.value[0] * np.diag(inverse)) / scale
    usable = solution.acting & ~solution.at_bound & ~solution.fixed
    return {
        j: d
        for j, d in zip(free, spread, strict=True)
        if usable[j] and _ratio(problem, solution.theta[j], j, d) > SUSPECT
    }


def _ratio(problem: Problem, theta: float, j: int, reach: float) -> float:
    if problem.law.parameters[j] in problem.law.positive:
        return float(np.exp(min(2 * reach, 700.0)))
    size = abs(theta)
    return (size + reach) / (size - reach) if size > reach else np.inf


def _profile(problem: Problem, solution: Solution, j: int, reach: float) -> FlatParameter | None:
    """Return parameter j with the ends of its profile if the profile is flat."""
    name = problem.law.parameters[j]
    lo, hi = problem.law.bounds[j]
    places = np.clip(solution.theta[j] + reach * np.concatenate([-OFFSETS, OFFSETS]), lo, hi)
    starts = np.repeat(solution.theta[None], len(places), axis=0)
    starts[:, j] = places
    held: Mapping[str, float] = {**problem.fixed, name: 1.0}  # any value: `solve_many` holds the one of the start
    ends = solve_many(dataclasses.replace(problem, fixed=held), starts)
    rise = ends.objective / solution.objective - 1
    half = len(OFFSETS)
    low = _end(solution.theta[j], places[:half], rise[:half])
    high = _end(solution.theta[j], places[half:], rise[half:])
    low, high = (
        None if end is None else float(problem.law.natural(_at(solution.theta, j, end))[j]) for end in (low, high)
    )
    if low is None or high is None or (low > 0 and high > WIDE * low) or (high < 0 and low < WIDE * high):
        return FlatParameter(name=name, lo=low, hi=high)
    return None


def _end(best: float, places: Floats, rise: Floats) -> float | None:
    """Return where the profile, going outwards from `best`, first rises by SHARE; None if it never does."""
    over = np.flatnonzero(rise > SHARE)
    if not over.size:
        return None
    at = int(over[0])
    inner, low = (places[at - 1], rise[at - 1]) if at else (best, 0.0)
    return float(inner + (places[at] - inner) * (SHARE - low) / (rise[at] - low))


def _at(theta: Floats, j: int, value: float) -> Floats:
    moved = theta.copy()
    moved[j] = value
    return moved
