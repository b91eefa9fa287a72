"""arXiv 2403.08540 done again: a law fitted to five small runs foretells the over-trained and the large ones."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fits import LAWS, RunTable
from fits.bootstrap import resample
from fits.engine import solve
from fits.intervals import percentile
from fits.law import Law
from fits.problem import Problem
from fits.table import Floats
from reports.paper.beside import rows_of

DATASETS = {"c4_original": "C4", "rpj": "RedPajama"}
"""Training set in the table -> its name."""
SMALLEST = "d=96_l=8_h=4"
USUAL, MORE = 20.0, 320.0
"""Tokens per parameter of the runs that are fitted: of all small models, and of the smallest beside that."""
DRAWS = 400
PUBLISHED_ERRORS = {("rpj", "open_lm_1b", 640.0): 0.7103, ("rpj", "open_lm_7b", 20.0): 0.7320}
"""(training set, model, tokens per parameter) -> relative error of the paper's prediction, per cent."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """The runs on one training set and the law fitted to five of them."""

    name: str
    """Training set as the table calls it."""
    model: NDArray[np.str_]
    """Model of each run, shape (n,)."""
    N: Floats
    """Parameters, embeddings included."""
    D: Floats
    """Tokens."""
    M: Floats
    """Tokens per parameter as the table has it."""
    loss: Floats
    """Validation loss on C4, nats per token."""
    params: dict[str, float]
    """Coefficients of the law fitted to the five runs: four coefficients, so they have no interval."""
    whole: dict[str, float]
    """Coefficients of the law fitted to all runs from 20 tokens per parameter on."""
    ends: dict[str, tuple[float, float]]
    """95 % interval of each of those."""

    @property
    def fitted(self) -> NDArray[np.bool_]:
        """Which runs are the five, shape (n,)."""
        return five(self.model, self.M)

    @property
    def foretold(self) -> Floats:
        """Loss by the five, shape (n,)."""
        return law().loss(self.params, {"N": self.N, "D": self.D})

    @property
    def errors(self) -> Floats:
        """Relative error of it in per cent, shape (n,)."""
        return np.asarray(100 * (self.foretold / self.loss - 1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Gadre:
    """Both training sets."""

    trained: tuple[Trained, ...]
    """C4, RedPajama."""
    source: str = "published: runs of arXiv 2403.08540 (MIT); our fit"
    """Where the numbers come from."""


def law() -> Law:
    """Return L = E + (a M^eta + b M^-eta) C^-eta."""
    found = LAWS["gadre"]
    assert isinstance(found, Law)
    return found


def five(model: NDArray[np.str_], M: Floats) -> NDArray[np.bool_]:
    """Return which runs the paper fits, shape (n,): the small models at 20 tokens per parameter, the smallest at 320."""
    small = np.char.startswith(model, "d=")
    return np.asarray((small & (M == USUAL)) | ((model == SMALLEST) & (M == MORE)))


def read() -> RunTable:
    """Return the shipped rows."""
    return rows_of("gadre2024_overtraining")


def build(table: RunTable, draws: int = DRAWS) -> Gadre:
    """Return the study computed from its rows."""
    return Gadre(trained=tuple(_trained(table.where(f"dataset={name}"), name, draws) for name in DATASETS))


def _trained(table: RunTable, name: str, draws: int) -> Trained:
    N, D, M, loss = (table.numbers(column) for column in ("N", "D", "tok_mult", "loss"))
    model = table.frame["model"].astype(str).to_numpy(str)
    few, many = (_problem(N[rows], D[rows], loss[rows]) for rows in (five(model, M), M >= USUAL))
    whole = solve(many)
    drawn = resample(many, whole, draws, seed=0)
    return Trained(
        name=name, model=model, N=N, D=D, M=M, loss=loss, params=_named(solve(few).theta), whole=_named(whole.theta),
        ends={key: percentile(drawn.values[:, at]) for at, key in enumerate(drawn.parameters)},
    )  # fmt: skip


def _problem(N: Floats, D: Floats, loss: Floats) -> Problem:
    """Return the fit by least squares of the loss itself, as the paper has it."""
    return Problem(law=law(), columns={"N": N, "D": D}, loss=loss, delta=math.inf, in_nats=True)


def _named(theta: Floats) -> dict[str, float]:
    return dict(zip(law().parameters, map(float, law().natural(theta)), strict=True))
