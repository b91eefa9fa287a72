"""A law of the loss: a sum of terms, each written once as its logarithm.

    ln L = ln sum_k exp z_k(theta, x),      x = ln of the columns

theta holds the parameters as the search sees them: ln of a parameter that must be positive, otherwise the parameter.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fits.laws.autodiff import Dual
from fits.runs.table import Floats, RunTable
from planners.records.errors import UsageError

Columns = Mapping[str, Floats]

SIZE = (-700.0, 700.0)
"""Bounds of ln of a term's coefficient: the range of floating-point numbers."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A published value of a law; a test compares it to the printed digits."""

    params: Mapping[str, float]
    """Printed parameters, by name."""
    columns: Mapping[str, float]
    """Columns at which the law is evaluated."""
    value: float
    """Printed loss there."""
    digits: int
    """Digits after the decimal point of that value."""


@dataclass(frozen=True, kw_only=True)
class Law:
    """A law of the loss with p parameters."""

    name: str
    """Name of the law."""
    formula: str
    """The law as text."""
    latex: str
    """The law in LaTeX."""
    source: str
    """Publication of the form and of the way it is fitted."""
    valid: str
    """The runs that its authors fitted; elsewhere it is an extrapolation."""
    columns: tuple[str, ...]
    """Columns of the table that it uses, all positive; the loss is not among them."""
    parameters: tuple[str, ...]
    """Names of the p parameters, as printed."""
    positive: tuple[str, ...]
    """Names of the parameters that must be positive; theta holds their logarithms."""
    bounds: tuple[tuple[float, float], ...]
    """Lowest and highest theta of each parameter."""
    log_terms: Callable[[Sequence[Any], Columns], Sequence[Any]]
    """(theta, one array or Dual for each parameter; ln of the columns, each (n,)) -> ln of each term."""
    starts: Callable[["Law", Columns, Floats], Floats]
    """(this law, ln of the columns, ln of the loss (n,)) -> starting points, shape (m, p)."""
    examples: tuple[Example, ...] = ()
    """Published values."""
    response: str = "loss"
    """The column that it predicts."""

    def read(self, table: RunTable) -> dict[str, Floats]:
        """Return its columns of `table`, each (n,). A dense model counts as one expert, which is active.

        Raises UsageError for a column that the table lacks, and for a value that is not positive.
        """
        return {name: table.law_column(name) for name in self.columns}

    def natural(self, theta: Floats) -> Floats:
        """Return the parameters as printed; theta and the result have shape (..., p)."""
        logs = np.array([name in self.positive for name in self.parameters])
        with np.errstate(over="ignore"):
            return np.where(logs, np.exp(np.where(logs, theta, 0.0)), theta)

    def theta(self, params: Mapping[str, float]) -> Floats:
        """Return theta, shape (p,), for parameters given by name.

        Raises UsageError for a missing or unknown name, and for a value outside the domain of its parameter.
        """
        if set(params) != set(self.parameters):
            raise UsageError(f"{self.name} has the parameters {', '.join(self.parameters)}, not {', '.join(params)}")
        return np.array([self.coordinate(name, params[name]) for name in self.parameters])

    def coordinate(self, name: str, value: float) -> float:
        """Return the component of theta for the value of one parameter. Raises UsageError as `theta` does."""
        if name not in self.parameters:
            raise UsageError(f"{self.name} has no parameter {name!r}; it has {', '.join(self.parameters)}")
        if not np.isfinite(value) or (name in self.positive and value <= 0):
            kind = "positive number" if name in self.positive else "finite number"
            raise UsageError(f"{name} of {self.name} is {value!r}; give a {kind}")
        return float(np.log(value) if name in self.positive else value)

    @np.errstate(all="ignore")  # far from every fit a law may overflow; its loss is then infinite
    def log_loss(self, theta: Floats, logs: Columns) -> Floats:
        """Return ln L, shape (n,), at one theta (p,)."""
        terms = np.broadcast_arrays(*self.log_terms(list(theta), logs), next(iter(logs.values())))[:-1]
        return np.asarray(np.logaddexp.reduce(terms, axis=0))

    def jacobian(self, theta: Floats, logs: Columns) -> Floats:
        """Return d ln L / d theta, shape (n, p), at one theta (p,)."""
        terms = self.log_terms([Dual.variable(value, j) for j, value in enumerate(theta)], logs)
        log_loss = self.log_loss(theta, logs)
        gradient = np.zeros((len(log_loss), len(theta)))
        for term in terms:
            share = np.exp(term.value - log_loss)
            for j, first in term.first.items():
                gradient[:, j] += share * first
        return gradient

    def loss(self, params: Mapping[str, float], columns: Columns) -> Floats:
        """Return L, shape (n,), for parameters by name and columns in their own units, each a number or shape (n,)."""
        logs = {name: np.log(np.atleast_1d(np.asarray(columns[name], float))) for name in self.columns}
        return np.exp(self.log_loss(self.theta(params), logs))
