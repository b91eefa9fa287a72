"""What a law of the loss is: a sum of terms, each written once as its logarithm.

    ln L = ln sum_k exp z_k(theta, x),      x = ln of the columns

theta is what a search moves: the logarithm of a parameter that must be positive, the parameter itself otherwise.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fits.laws.autodiff import Dual
from fits.runs.table import Floats
from planners.records.errors import UsageError

Columns = Mapping[str, Floats]

SIZE = (-700.0, 700.0)
"""Bounds of the logarithm of a term's size: what floating-point numbers hold."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A published value of a law, which a test compares to the digits given."""

    params: Mapping[str, float]
    """The parameters, as printed."""
    columns: Mapping[str, float]
    """Where the law is evaluated."""
    value: float
    """Loss there, as printed."""
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
    """Where the form and its fitting come from."""
    valid: str
    """The runs it was fitted to, outside of which it is an extrapolation."""
    columns: tuple[str, ...]
    """Columns it needs beside the loss, all positive."""
    parameters: tuple[str, ...]
    """Names of the p parameters as papers print them."""
    positive: tuple[str, ...]
    """Which of them are positive, so that theta holds their logarithm."""
    bounds: tuple[tuple[float, float], ...]
    """Lowest and highest theta, one pair a parameter."""
    log_terms: Callable[[Sequence[Any], Columns], Sequence[Any]]
    """(theta, one array or Dual a parameter; ln of the columns, each (n,)) -> ln of each term."""
    starts: Callable[["Law", Columns, Floats], Floats]
    """(this law, ln of the columns, ln of the loss (n,)) -> starting points, shape (m, p)."""
    examples: tuple[Example, ...] = ()
    """Published values."""
    response: str = "loss"
    """The column that it describes."""

    def natural(self, theta: Floats) -> Floats:
        """Return the parameters as papers print them; theta and result have shape (..., p)."""
        logs = np.array([name in self.positive for name in self.parameters])
        with np.errstate(over="ignore"):
            return np.where(logs, np.exp(np.where(logs, theta, 0.0)), theta)

    def theta(self, params: Mapping[str, float]) -> Floats:
        """Return the point of the search, shape (p,), of parameters given by name.

        Raises UsageError for a missing or unknown name, and for a value that its parameter cannot have.
        """
        if set(params) != set(self.parameters):
            raise UsageError(f"{self.name} has the parameters {', '.join(self.parameters)}, not {', '.join(params)}")
        return np.array([self.coordinate(name, params[name]) for name in self.parameters])

    def coordinate(self, name: str, value: float) -> float:
        """Return the component of theta that stands for `value` of the parameter `name`; raises as `theta` does."""
        if name not in self.parameters:
            raise UsageError(f"{self.name} has no parameter {name!r}; it has {', '.join(self.parameters)}")
        if not np.isfinite(value) or (name in self.positive and value <= 0):
            raise UsageError(f"{name} of {self.name} cannot be {value!r}; give a number it can have")
        return float(np.log(value) if name in self.positive else value)

    @np.errstate(all="ignore")  # far from any fit a law may overflow: its loss is then infinite
    def log_loss(self, theta: Floats, logs: Columns) -> Floats:
        """Return ln L, shape (n,), at one theta (p,)."""
        terms = np.broadcast_arrays(*self.log_terms(list(theta), logs), next(iter(logs.values())))[:-1]
        return np.asarray(np.logaddexp.reduce(terms, axis=0))

    def jacobian(self, theta: Floats, logs: Columns) -> Floats:
        """Return d ln L / d theta, shape (n, p), at one theta (p,)."""
        terms = self.log_terms([Dual.variable(value, j) for j, value in enumerate(theta)], logs)
        log_loss = self.log_loss(theta, logs)
        slopes = np.zeros((len(log_loss), len(theta)))
        for term in terms:
            share = np.exp(term.value - log_loss)
            for j, slope in term.first.items():
                slopes[:, j] += share * slope
        return slopes

    def loss(self, params: Mapping[str, float], columns: Columns) -> Floats:
        """Return L, shape (n,), at parameters given by name, for columns in their own units, each (n,)."""
        logs = {name: np.log(np.atleast_1d(np.asarray(columns[name], float))) for name in self.columns}
        return np.exp(self.log_loss(self.theta(params), logs))
