"""Bootstrap of a law: how far the parameters move when the runs are weighted anew.

What is weighted are points, the distinct values of the law's columns, with all their runs: seeds of one point are not
cases of their own (resampling them covers 82 % where 95 % is claimed). A replicate is a gamma weight for each point
(after D. B. Rubin, Ann. Statist. 9 (1981) 130, whose weights are exponential), and all replicates are fitted together.
The variance of the weights is 1 - p / points. That factor is measured and not derived: at 48 points and 5 parameters
whole draws hold the truth in up to .985 of studies, exponential weights in .982, these in .95 to .97
(`docs/calibration.md`). At hundreds of points it is 1.
"""

import math
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fits.runs.table import Floats
from fits.surface.problem import Problem
from fits.surface.search import Solution, solve_many

TOGETHER = 1000
"""Replicates that are fitted together, at most."""
MEMORY = 8_000_000
"""Weights, a float each, that they may hold."""
LEAST_SPREAD = 0.5
"""Variance of the weights where points are hardly more than parameters."""
BASINS = 3
"""Other minima of all runs from which a replicate is started too."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """Bootstrap estimates of the parameters of a law."""

    parameters: tuple[str, ...]
    """Names, as papers print them."""
    values: Floats
    """Estimates, shape (B, p)."""
    seed: int
    """Seed of the draws."""

    def to_csv(self) -> str:
        """Return one draw a row, the parameters as columns; a value that is not finite is an empty cell."""
        rows = [[repr(value) if math.isfinite(value) else "" for value in row] for row in self.values.tolist()]
        return "".join(f"{','.join(row)}\n" for row in (self.parameters, *rows))


def points(problem: Problem) -> NDArray[np.intp]:
    """Return the point of each run, shape (n,), counted from zero in the order of the columns, the first one first."""
    columns = np.array([problem.columns[name] for name in problem.law.columns])
    order = np.lexsort(columns[::-1])
    new = (np.diff(columns[:, order], axis=1) != 0).any(axis=0)
    point = np.empty(len(order), np.intp)
    point[order] = np.concatenate([[0], np.cumsum(new)])
    return point


def resample(problem: Problem, best: Solution, count: int, seed: int) -> Draws:
    """Fit `count` draws of the weights, each from `best` and its basins; the same `seed` gives the same draws.

    A progress bar appears on standard error after two seconds.
    """
    from tqdm import tqdm

    point = points(problem)
    distinct = int(point.max()) + 1
    spread = max(1 - len(problem.free) / distinct, LEAST_SPREAD)
    random = np.random.default_rng(seed)
    values = np.full((count, len(problem.law.parameters)), np.nan)
    together = max(1, min(TOGETHER, MEMORY // len(point)))
    interval = 0.5 if sys.stderr.isatty() else 10
    with tqdm(
        total=count, desc=f"bootstrap {problem.law.name}", delay=2, leave=False, mininterval=interval
    ) as progress:
        for first in range(0, count, together):
            drawn = _draw(random, distinct, min(together, count - first), spread)
            values[first : first + len(drawn)] = problem.law.natural(_fitted(problem, best, drawn[:, point]))
            progress.update(len(drawn))
    return Draws(parameters=problem.law.parameters, values=values, seed=seed)


def _draw(random: np.random.Generator, points: int, count: int, spread: float) -> Floats:
    """Return the weight of each point, mean 1 and variance about `spread`, shape (count, points)."""
    weights = random.standard_gamma(1 / spread, (count, points))
    return np.asarray(weights / weights.mean(axis=1, keepdims=True))


def _fitted(problem: Problem, best: Solution, drawn: Floats) -> Floats:
    """Return the best theta of each replicate, shape (b, p)."""
    weights = drawn * problem.each
    starts = [best.theta, *(basin.theta for basin in best.basins[:BASINS])]
    ends = [solve_many(problem, start, weights=weights) for start in starts]
    lowest = np.argmin([each.objective for each in ends], axis=0)
    return np.asarray(np.array([each.theta for each in ends])[lowest, np.arange(len(weights))])
