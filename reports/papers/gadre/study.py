"""arXiv 2403.08540 refitted: a law fitted to five small runs predicts the over-trained and the large ones."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fits import RunTable
from fits.intervals import percentile
from fits.runs.table import Floats
from fits.surface.bootstrap import resample
from fits.surface.fitting_problem import Problem
from fits.surface.search import solve
from reports.papers.coefficients import rows_of, surface_law

DATASETS = {"c4_original": "C4", "rpj": "RedPajama"}
"""Training set in the table -> its name."""
LARGE = 1e9
"""Parameters from which a model is large: the law is fitted to smaller ones."""
USUAL, MORE = 20.0, 320.0
"""Tokens per parameter of the fitted runs: USUAL for all small models, MORE for the smallest model in addition."""
DRAWS = 400
PUBLISHED_ERRORS = {("rpj", "open_lm_1b", 640.0): 0.7103, ("rpj", "open_lm_7b", 20.0): 0.7320}
"""(training set, model, tokens per parameter) -> relative error of the paper's prediction, per cent."""
LAW = surface_law("gadre")
"""L = E + (a M^eta + b M^-eta) C^-eta."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """The runs on one training set and the law fitted to five of them."""

    name: str
    """Training set as the table names it."""
    model: NDArray[np.str_]
    """Model of each run, shape (n,)."""
    N: Floats
    """Parameters of each run, embeddings included, shape (n,)."""
    D: Floats
    """Tokens of each run, shape (n,)."""
    M: Floats
    """Tokens per parameter as in the table, shape (n,)."""
    loss: Floats
    """Validation loss of each run on C4, nats per token, shape (n,)."""
    params: dict[str, float]
    """Coefficients of the law fitted to the five runs; with one degree of freedom left they have no interval."""
    whole: dict[str, float]
    """Coefficients of the law fitted to all runs from USUAL tokens per parameter on."""
    ends: dict[str, tuple[float, float]]
    """95 % interval of each coefficient in `whole`."""

    @property
    def label(self) -> str:
        """Name of the training set."""
        return DATASETS[self.name]

    @property
    def fitted(self) -> NDArray[np.bool_]:
        """Which runs are the five, shape (n,)."""
        return five(self.N, self.M)

    @property
    def predicted(self) -> Floats:
        """Loss predicted by the five runs, nats per token, shape (n,)."""
        return LAW.loss(self.params, {"N": self.N, "D": self.D})

    @property
    def errors(self) -> Floats:
        """Relative error of the prediction, per cent, shape (n,)."""
        return np.asarray(100 * (self.predicted / self.loss - 1))

    @property
    def smallest(self) -> NDArray[np.bool_]:
        """Which runs are of the smallest model, shape (n,)."""
        return np.asarray(np.equal(self.N, self.N.min()))

    @property
    def from_usual(self) -> Floats:
        """Errors of the runs that were not fitted, from USUAL tokens per parameter on, per cent."""
        return self.errors[~self.fitted & (self.M >= USUAL)]

    @property
    def between_sizes(self) -> float:
        """Largest difference of errors between neighbouring sizes at one M from USUAL on, percentage points."""
        steps = [
            np.diff(self.errors[self.M == M][np.argsort(self.N[self.M == M])]) for M in np.unique(self.M) if M >= USUAL
        ]
        return max(float(np.abs(step).max()) for step in steps if len(step))


@dataclass(frozen=True, kw_only=True, eq=False)
class Gadre:
    """Both training sets."""

    trained: tuple[Trained, ...]
    """C4, RedPajama."""
    source: str = "published: runs of arXiv 2403.08540 (MIT); our fit"
    """Where the numbers come from."""

    def on(self, name: str) -> Trained:
        """Return the runs on a training set, by its name in the table."""
        return next(one for one in self.trained if one.name == name)

    def error(self, name: str, model: str, M: float) -> float:
        """Return the relative error of one prediction, per cent."""
        one = self.on(name)
        return float(one.errors[(one.model == model) & (one.M == M)][0])

    def size(self, name: str, model: str) -> float:
        """Return the parameters of a model."""
        one = self.on(name)
        return float(one.N[one.model == model][0])


def five(N: Floats, M: Floats) -> NDArray[np.bool_]:
    """Return which runs the paper fits, shape (n,): small models at 20 tokens per parameter, the smallest at 320."""
    return np.asarray(((N < LARGE) & (M == USUAL)) | (np.equal(N, N.min()) & (M == MORE)))


def read() -> RunTable:
    """Return the shipped rows."""
    return rows_of("gadre2024_overtraining")


def build(table: RunTable, draws: int = DRAWS) -> Gadre:
    """Return the study computed from its rows, with `draws` bootstrap draws."""
    return Gadre(trained=tuple(_trained(table.where(f"dataset={name}"), name, draws) for name in DATASETS))


def _trained(table: RunTable, name: str, draws: int) -> Trained:
    N, D, M, loss = (table.numbers(column) for column in ("N", "D", "tok_mult", "loss"))
    model = table.frame["model"].astype(str).to_numpy(str)
    few, many = (_problem(N[rows], D[rows], loss[rows]) for rows in (five(N, M), M >= USUAL))
    whole = solve(many)
    drawn = resample(many, whole, draws, seed=0)
    ends = {key: percentile(drawn.values[:, at]) for at, key in enumerate(drawn.parameters)}
    params, all_params = _named(solve(few).theta), _named(whole.theta)
    return Trained(name=name, model=model, N=N, D=D, M=M, loss=loss, params=params, whole=all_params, ends=ends)


def _problem(N: Floats, D: Floats, loss: Floats) -> Problem:
    """Return the fit by least squares of the loss itself, as in the paper."""
    return Problem(law=LAW, columns={"N": N, "D": D}, loss=loss, delta=math.inf, in_nats=True)


def _named(theta: Floats) -> dict[str, float]:
    return dict(zip(LAW.parameters, map(float, LAW.natural(theta)), strict=True))


def few_tokens(trained: Sequence[Trained]) -> dict[float, bool]:
    """Return, for each M below USUAL, whether no error there is larger than the largest from USUAL on."""
    M = np.concatenate([one.M for one in trained])
    size = np.concatenate([np.abs(one.errors) * ~one.fitted for one in trained])
    return {float(few): bool(size[few == M].max() <= size[M >= USUAL].max()) for few in np.unique(M[M < USUAL])}
