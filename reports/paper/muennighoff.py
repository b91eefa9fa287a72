"""arXiv 2305.16264 done again: what repeated tokens are worth, our fit, and the published local minimum."""

import math
from dataclasses import dataclass, replace

import numpy as np

from fits import LAWS, Draws, FitResult, RunTable, fit_with_draws
from fits.engine import solve_many
from fits.law import Law
from fits.laws.muennighoff import PUBLISHED, effective_tokens
from fits.problem import Problem
from fits.table import Floats
from reports.paper.beside import Printed, rows_of, values

FADES = ("R_D", "R_N")
"""What the authors fitted last, all else held."""
HELD = {name: value for name, value in PUBLISHED.items() if name not in FADES}
PRINTED = Printed(name="as published", source="the authors' constants, arXiv 2305.16264", params=PUBLISHED)
PLACES = np.geomspace(4, 1000, 61)
"""R_D at which the objective is profiled."""
OTHERS = np.geomspace(0.3, 30, 7)
"""R_N from which each place of the profile is searched: the objective has several minima."""
DRAWS = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class Muennighoff:
    """The rows, our fit of the two fades, and how well the data tell R_D."""

    N: Floats
    """Parameters of each run, shape (n,)."""
    D: Floats
    """Tokens consumed."""
    U: Floats
    """Unique tokens."""
    loss: Floats
    """Nats per token."""
    fit: FitResult
    """Our fit of R_D and R_N, the other coefficients held at the published values."""
    draws: Draws
    """Its bootstrap draws."""
    profile: Floats
    """Lowest objective at each R_D of PLACES, shape (61,)."""
    published_objective: float
    """The objective at the published constants."""
    source: str = "published: runs of arXiv 2305.16264 (datablations, Apache-2.0); our fit"
    """Where the numbers come from."""

    @property
    def params(self) -> dict[str, float]:
        """Our coefficients, the held ones included."""
        return values(self.fit)

    @property
    def flat(self) -> tuple[float | None, float | None]:
        """The R_D that fit within 0.1 % of the best objective: its ends, null where there is none."""
        return self.fit.search.flat.get("R_D", (None, None)) if self.fit.search else (None, None)

    @property
    def excess(self) -> float:
        """How much higher the objective is at the published constants than at ours, relative."""
        assert self.fit.objective is not None
        return self.published_objective / self.fit.objective - 1


def law() -> Law:
    """Return the law of repeated data."""
    found = LAWS["muennighoff"]
    assert isinstance(found, Law)
    return found


def read() -> RunTable:
    """Return the shipped rows."""
    return rows_of("muennighoff2023_reuse")


def build(table: RunTable, draws: int = DRAWS) -> Muennighoff:
    """Return the study computed from its rows."""
    fit, drawn = fit_with_draws(table, "muennighoff", fixed=HELD, bootstrap=draws)
    assert drawn is not None
    columns = {name: table.numbers(name) for name in ("N", "D", "U")}
    problem = Problem(law=law(), columns=columns, loss=table.numbers("loss"), delta=1e-3, fixed=HELD)
    return Muennighoff(
        **columns, loss=problem.loss, fit=fit, draws=drawn, profile=_profile(problem),
        published_objective=problem.objective(law().theta(PUBLISHED)),
    )  # fmt: skip


def _profile(problem: Problem) -> Floats:
    """Return the lowest objective at each R_D of PLACES over R_N, the best of the searches from OTHERS."""
    starts = np.array([law().theta({**PUBLISHED, "R_D": D, "R_N": N}) for D in PLACES for N in OTHERS])
    held = replace(problem, fixed={**HELD, "R_D": 1.0})  # of which value the starts say
    ends = solve_many(held, starts)
    return np.asarray(ends.objective.reshape(len(PLACES), len(OTHERS)).min(axis=1))


def worth(R_D: float, epochs: Floats | float) -> Floats:
    """Return D' / U: how many times the unique tokens `epochs` passes over them are worth."""
    return effective_tokens(np.asarray(epochs, float), 1.0, R_D)


def half_worth(R_D: float) -> float:
    """Return the epochs at which a further pass is worth half of a fresh one: exp(-r / R_D) = 1 / 2."""
    return 1 + R_D * math.log(2)
