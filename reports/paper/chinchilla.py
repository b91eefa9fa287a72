"""arXiv 2203.15556 done again: the loss of 234 dense models, our fit, and the two that papers print."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fits import LAWS, Draws, FitResult, RunTable, fit_with_draws
from fits.intervals import percentile
from fits.law import Law
from fits.table import Floats
from reports.paper.beside import Printed, rows_of, values

BUDGETS = (6e18, 1e19, 3e19, 6e19, 1e20, 3e20, 6e20, 1e21, 3e21)
"""The nine budgets of the IsoFLOP runs, FLOPs."""
NEAR = 0.12
"""Distance in ln C within which a point counts to a budget: the reading of the figure moved them by less."""
DRAWS = 400
"""Bootstrap draws: the ends of an interval rest on ten of them."""
CHINCHILLA = 5.76e23
"""Compute of the 70B model that the paper trained on 1.4T tokens, FLOPs."""

ROUNDED = Printed(
    name="as printed",
    source="arXiv 2203.15556, equation 10, rounded to two digits of the exponents",
    params={"A": 406.4, "B": 410.7, "E": 1.69, "alpha": 0.34, "beta": 0.28},
)
LONGER = Printed(
    name="more digits",
    source="the same with the digits of the paper's own source file",
    params={"A": 406.4, "B": 410.7, "E": 1.6934, "alpha": 0.3392, "beta": 0.2849},
)
REPLICATED = Printed(
    name="replication",
    source="arXiv 2404.10102, 240 points read off the same figure",
    params={"A": 482.01, "B": 2085.43, "E": 1.8172, "alpha": 0.3478, "beta": 0.3658},
)
PRINTED = (ROUNDED, LONGER, REPLICATED)


@dataclass(frozen=True, kw_only=True, eq=False)
class Chinchilla:
    """The rows, our fit, and what follows from it and from the printed coefficients."""

    N: Floats
    """Parameters of each run, shape (n,)."""
    D: Floats
    """Tokens."""
    C: Floats
    """Training FLOPs."""
    loss: Floats
    """Nats per token."""
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
        """Our coefficients and the printed ones, by what legends call them."""
        return {"our fit": self.params, **{one.name: one.params for one in PRINTED}}

    def near(self, C: float) -> Floats:
        """Return which runs lie at the budget C, shape (n,)."""
        return np.abs(np.log(self.C / C)) <= NEAR

    def misses(self, params: Mapping[str, float]) -> Floats:
        """Return ln of the law over the measured loss, shape (n,)."""
        return np.log(law().loss(params, {"N": self.N, "D": self.D}) / self.loss)


def law() -> Law:
    """Return L = E + A / N^alpha + B / D^beta."""
    found = LAWS["chinchilla"]
    assert isinstance(found, Law)
    return found


def build(table: RunTable, draws: int = DRAWS) -> Chinchilla:
    """Return the study computed from its rows."""
    fit, drawn = fit_with_draws(table, "chinchilla", bootstrap=draws)
    assert drawn is not None
    N, D, C, loss = (table.numbers(name) for name in ("N", "D", "C", "loss"))
    return Chinchilla(N=N, D=D, C=C, loss=loss, fit=fit, draws=drawn)


def optimal_size(params: Mapping[str, float] | Mapping[str, Floats], C: float | Floats) -> Floats:
    """Return N_opt = G (C / 6)^(beta / (alpha + beta)), G = (alpha A / beta B)^(1 / (alpha + beta)), equation 4."""
    a, b, alpha, beta = (np.asarray(params[name]) for name in ("A", "B", "alpha", "beta"))
    G = (alpha * a / (beta * b)) ** (1 / (alpha + beta))
    return np.asarray(G * (np.asarray(C) / 6) ** (beta / (alpha + beta)))


def tokens_per_parameter(params: Mapping[str, float] | Mapping[str, Floats], C: float | Floats) -> Floats:
    """Return D / N where the loss at C = 6 N D is lowest."""
    return np.asarray(np.asarray(C) / 6 / optimal_size(params, C) ** 2)


def drawn(data: Chinchilla) -> dict[str, Floats]:
    """Return the draws by parameter, each of shape (B,)."""
    return dict(zip(data.draws.parameters, data.draws.values.T, strict=True))


def band(data: Chinchilla, C: Floats) -> tuple[Floats, Floats]:
    """Return the ends of the 95 % interval of D / N at the optimum of each budget, shapes (m,)."""
    ends = [percentile(tokens_per_parameter(drawn(data), float(each))) for each in C]
    low, high = np.array(ends).T
    return low, high


def read() -> RunTable:
    """Return the shipped rows."""
    return rows_of("chinchilla_kyotakano234")
