"""arXiv 2305.16264 refitted: what repeated tokens are worth, by our fits and by the published constants."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fits import FitResult, RunTable, fit_law
from fits.laws.muennighoff import PUBLISHED, effective_tokens
from fits.runs.table import Floats
from fits.surface.fitting_problem import Problem
from fits.surface.search import solve_many
from reports.papers.coefficients import Printed, rows_of, surface_law, values

FADES = ("R_D", "R_N")
"""The constants that the authors fitted last, with all others held."""
HELD = {name: value for name, value in PUBLISHED.items() if name not in FADES}
"""The constants that they held, at their values."""
PRINTED = Printed(name="as published", source="the authors' constants, arXiv 2305.16264", params=PUBLISHED)
PLACES = np.geomspace(4, 1000, 49)
"""R_D at which the objective is profiled."""
OTHERS = np.geomspace(0.5, 20, 5)
"""R_N from which each place of the profile is searched: the objective has several minima."""
DRAWS = 200
FREE_DRAWS = 100
"""Draws for the fit of all coefficients, which takes ten times as long."""
DELTA = 1e-3
"""Huber's delta in ln L."""
FRESH = 1.001
"""Epochs up to which a run counts as fresh."""
LAW = surface_law("muennighoff")
"""The law of repeated data."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Muennighoff:
    """The runs, our fits, and how well the runs determine R_D."""

    N: Floats
    """Parameters of each run, shape (n,)."""
    D: Floats
    """Tokens consumed, shape (n,)."""
    U: Floats
    """Unique tokens, shape (n,)."""
    loss: Floats
    """Nats per token, shape (n,)."""
    fit: FitResult
    """Our fit of R_D and R_N, the other coefficients held at the published values."""
    free: FitResult
    """Our fit of all seven coefficients."""
    profile: Floats
    """Lowest objective at each R_D of PLACES, shape (49,)."""
    published_objective: float
    """The objective at the published constants."""
    source: str = "published: runs of arXiv 2305.16264 (datablations, Apache-2.0); our fit"
    """Where the numbers come from."""

    @property
    def params(self) -> dict[str, float]:
        """Our coefficients, the held ones included."""
        return values(self.fit)

    @property
    def free_params(self) -> dict[str, float]:
        """The coefficients of the fit of all seven."""
        return values(self.free)

    @property
    def objective(self) -> float:
        """The lowest objective with the published coefficients held."""
        assert self.fit.objective is not None
        return self.fit.objective

    def misses(self, params: Mapping[str, float]) -> Floats:
        """Return ln of the predicted over the measured loss, shape (n,)."""
        return np.log(LAW.loss(params, {"N": self.N, "D": self.D, "U": self.U}) / self.loss)

    @property
    def fresh(self) -> NDArray[np.bool_]:
        """Which runs repeat nothing, shape (n,)."""
        return np.asarray(self.D <= self.U * FRESH)

    @property
    def flat(self) -> tuple[float | None, float | None]:
        """The range of R_D that fits within 0.1 % of the best objective; null where the runs determine R_D better."""
        return self.fit.search.flat.get("R_D", (None, None)) if self.fit.search else (None, None)

    @property
    def excess(self) -> float:
        """How much higher the objective is at the published constants than at ours, relative."""
        return self.published_objective / self.objective - 1


def read() -> RunTable:
    """Return the shipped rows."""
    return rows_of("muennighoff2023_reuse")


def build(table: RunTable, draws: int = DRAWS, free_draws: int = FREE_DRAWS) -> Muennighoff:
    """Return the study computed from its rows, with `draws` and `free_draws` bootstrap draws of the two fits."""
    fit = fit_law(table, "muennighoff", fixed=HELD, bootstrap=draws)
    free = fit_law(table, "muennighoff", bootstrap=free_draws)
    N, D, U, loss = (table.numbers(name) for name in ("N", "D", "U", "loss"))
    problem = Problem(law=LAW, columns={"N": N, "D": D, "U": U}, loss=loss, delta=DELTA, fixed=HELD)
    profile, published = _profile(problem), problem.objective(LAW.theta(PUBLISHED))
    return Muennighoff(N=N, D=D, U=U, loss=loss, fit=fit, free=free, profile=profile, published_objective=published)


def _profile(problem: Problem) -> Floats:
    """Return the lowest objective at each R_D of PLACES over R_N, the best of the searches from OTHERS."""
    starts = np.array([LAW.theta({**PUBLISHED, "R_D": D, "R_N": N}) for D in PLACES for N in OTHERS])
    held = replace(problem, fixed={**HELD, "R_D": 1.0})  # the starts give the value of R_D; 1.0 only marks it as held
    ends = solve_many(held, starts)
    return np.asarray(ends.objective.reshape(len(PLACES), len(OTHERS)).min(axis=1))


def worth(R_D: float, epochs: Floats | float) -> Floats:
    """Return D' / U: how many times the unique tokens `epochs` passes over them are worth."""
    return effective_tokens(np.asarray(epochs, float), 1.0, R_D)


def half_worth(R_D: float) -> float:
    """Return the epochs at which one more pass is worth half of a fresh one: exp(-r / R_D) = 1 / 2."""
    return 1 + R_D * math.log(2)
