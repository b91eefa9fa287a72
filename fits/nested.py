"""Does a law need more than a simpler one nested in it? Their ratio of sums of squares, and how large chance makes it.

    nested_ratio(problem, activation.CONSTANT).p        # is r*(N, C) constant?

Least squares only: a ratio of Huber objectives has no known distribution. With few runs, or parameters near a bound,
that of a ratio of squares is not F's either, so that it is simulated: losses drawn from the fitted simpler law with
Gaussian noise of its residual SD, both laws fitted to each, all together (B. Efron and R. Tibshirani, An Introduction
to the Bootstrap, chapter 16).
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fits.bootstrap import MEMORY
from fits.engine import Method, Solution, solve, solve_many
from fits.problem import Problem
from fits.table import Floats
from planners.errors import UsageError

EXACT = 1e-20
"""Mean square of ln L below which runs count as free of noise."""


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """The comparison of a law with one nested in it."""

    F: float
    """Mean square that the further parameters explain, over the residual mean square."""
    dof: int
    """Further parameters."""
    error_dof: int
    """Runs less parameters of the larger law."""
    p: float
    """Share of simulated data sets, the observed one counted in, whose F is as large where the simpler law is true."""
    p_F: float
    """The same probability by the F distribution, for comparison."""
    draws: int
    """Simulated data sets."""
    full: Solution
    """The larger law, under least squares."""
    simple: Solution
    """The simpler one."""


def nested_ratio(problem: Problem, fixed: Mapping[str, float], *, draws: int = 999, seed: int = 0) -> Ratio:
    """Compare the law of `problem` with the one in which the parameters `fixed` are held at these values.

    The objective of the problem is put aside for least squares of ln L. Raises UsageError where nothing is left to
    judge by: no further parameter, or no more runs than parameters.
    """
    full = dataclasses.replace(problem, delta=math.inf)
    simple = dataclasses.replace(full, fixed={**problem.fixed, **fixed})
    dof, error_dof = len(full.free) - len(simple.free), len(full.loss) - len(full.free)
    if dof < 1 or error_dof < 1:
        raise UsageError(
            f"{len(full.loss)} runs, {len(full.free)} parameters and {dof} of them in question leave nothing to compare"
        )
    null = solve(simple)
    if 2 * null.objective < EXACT * len(full.loss):
        raise UsageError("the runs lie on the simpler law, without noise by which a further parameter could be judged")
    starts = problem.law.starts(problem.law, full.logs, full.target)
    best = solve(full, Method(starts=np.vstack([null.theta[None], starts])))
    scale = error_dof / dof
    observed = scale * (null.objective / best.objective - 1)
    simulated = scale * _simulated(full, simple, null, best, draws, seed)
    from scipy.special import fdtrc

    return Ratio(
        F=float(observed),
        dof=dof,
        error_dof=error_dof,
        p=float((1 + (simulated >= observed).sum()) / (draws + 1)),
        p_F=float(fdtrc(dof, error_dof, max(observed, 0.0))),
        draws=draws,
        full=best,
        simple=null,
    )


def _simulated(full: Problem, simple: Problem, null: Solution, best: Solution, draws: int, seed: int) -> Floats:
    """Return S_simple / S_full - 1 of data sets simulated from the simpler law, shape (draws,)."""
    n = len(full.loss)
    sd = math.sqrt(2 * null.objective / (n - len(simple.free)))
    random = np.random.default_rng(seed)
    mean = full.law.log_loss(null.theta, full.logs)
    ratios = []
    for first in range(0, draws, together := max(1, MEMORY // n)):
        count = min(together, draws - first)
        losses = np.exp(mean + sd * random.standard_normal((count, n)))
        one = solve_many(simple, null.theta, losses=losses)
        ends = [solve_many(full, start, losses=losses).objective for start in (one.theta, best.theta)]
        ratios.append(one.objective / np.minimum(*ends) - 1)
    return np.concatenate(ratios)
