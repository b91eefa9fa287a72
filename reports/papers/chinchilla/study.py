"""arXiv 2203.15556 refitted: the loss of 234 dense models, our fit, and three printed sets of coefficients."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fits import Draws, FitResult, RunTable, fit_with_draws
from fits.intervals import percentile
from fits.runs.table import Floats
from planners.matching.controls import CHINCHILLA as REFITTED, optimal_N
from reports.papers.coefficients import Printed, rows_of, surface_law, values

BUDGETS = (6e18, 1e19, 3e19, 6e19, 1e20, 3e20, 6e20, 1e21, 3e21)
"""The nine budgets of the IsoFLOP runs, FLOPs."""
NEAR = 0.12
"""Distance in ln C up to which a run counts towards a budget: reading the figure moved the runs by less."""
DRAWS = 400
"""Bootstrap draws: ten of them lie beyond each end of an interval."""
CHINCHILLA, CHINCHILLA_TOKENS = 5.76e23, 1.4e12
"""Compute and tokens of the 70B model that the paper trained, FLOPs and tokens."""
LAW = surface_law("chinchilla")
"""L = E + A / N^alpha + B / D^beta."""

ROUNDED = Printed(
    name="as printed",
    source="arXiv 2203.15556, approach 3, exponents with two digits",
    params={"A": 406.4, "B": 410.7, "E": 1.69, "alpha": 0.34, "beta": 0.28},
)
LONGER = Printed(
    name="more digits",
    source="the same with the digits of the paper's own source file",
    params={"A": 406.4, "B": 410.7, "E": 1.6934, "alpha": 0.3392, "beta": 0.2849},
)
REPLICATED = Printed(
    name="replication", source="arXiv 2404.10102, 240 points read off the same figure", params=REFITTED.params
)
PRINTED = (ROUNDED, LONGER, REPLICATED)

Coefficients = Mapping[str, float] | Mapping[str, Floats]
"""Value by coefficient: numbers, or draws of shape (B,)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Chinchilla:
    """The runs and our fit."""

    N: Floats
    """Parameters of each run, shape (n,)."""
    D: Floats
    """Tokens of each run, shape (n,)."""
    C: Floats
    """Training FLOPs of each run, shape (n,)."""
    loss: Floats
    """Loss of each run, nats per token, shape (n,)."""
    fit: FitResult
    """Our fit."""
    draws: Draws
    """Its bootstrap draws."""
    source: str = "published: arXiv 2203.15556, figure 4, read off by kyo-takano/chinchilla; our fit"
    """Where the numbers come from."""

    @property
    def params(self) -> dict[str, float]:
        """Our coefficients."""
        return values(self.fit)

    @property
    def coefficients(self) -> dict[str, Mapping[str, float]]:
        """Our coefficients and the printed ones, by their names in legends."""
        return {"our fit": self.params, **{one.name: one.params for one in PRINTED}}

    @property
    def drawn(self) -> dict[str, Floats]:
        """The bootstrap draws by coefficient, each of shape (B,)."""
        return dict(zip(self.draws.parameters, self.draws.values.T, strict=True))

    def near(self, C: float) -> NDArray[np.bool_]:
        """Return which runs lie at the budget C, shape (n,)."""
        return np.asarray(np.abs(np.log(self.C / C)) <= NEAR)

    def misses(self, params: Mapping[str, float]) -> Floats:
        """Return ln of the predicted over the measured loss, shape (n,)."""
        return np.asarray(np.log(LAW.loss(params, {"N": self.N, "D": self.D}) / self.loss))

    def ratio_ends(self, C: float) -> tuple[float, float]:
        """Return the 95 % interval of D / N at the optimum of the budget C."""
        return percentile(tokens_per_parameter(self.drawn, C))

    @property
    def exponent_ends(self) -> tuple[float, float]:
        """The 95 % interval of a in N_opt = G C^a."""
        return percentile(exponent(self.drawn))


def read() -> RunTable:
    """Return the shipped rows."""
    return rows_of("chinchilla_kyotakano234")


def build(table: RunTable, draws: int = DRAWS) -> Chinchilla:
    """Return the study computed from its rows, with `draws` bootstrap draws."""
    fit, drawn = fit_with_draws(table, "chinchilla", bootstrap=draws)
    assert drawn is not None
    N, D, C, loss = (table.numbers(name) for name in ("N", "D", "C", "loss"))
    return Chinchilla(N=N, D=D, C=C, loss=loss, fit=fit, draws=drawn)


def optimal_size(params: Coefficients, C: float | Floats) -> Floats:
    """Return the compute-optimal N at each C, for one set of coefficients or for arrays of them."""
    a, b, alpha, beta = (np.asarray(params[name]) for name in ("A", "B", "alpha", "beta"))
    return np.asarray(optimal_N(a, b, alpha, beta, np.asarray(C)))


def exponent(params: Coefficients) -> Floats:
    """Return a = beta / (alpha + beta) of N_opt = G C^a."""
    alpha, beta = np.asarray(params["alpha"]), np.asarray(params["beta"])
    return np.asarray(beta / (alpha + beta))


def tokens_per_parameter(params: Coefficients, C: float | Floats) -> Floats:
    """Return D / N where the loss at C = 6 N D is lowest."""
    return np.asarray(np.asarray(C) / 6 / optimal_size(params, C) ** 2)
