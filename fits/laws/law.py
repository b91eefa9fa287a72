"""A law of the loss, a sum of terms that are each written once as their logarithm, and the starts of its search.

    ln L = ln sum_k exp z_k(theta, x),      x = ln of the columns

theta holds the parameters as the search sees them: ln of a parameter that must be positive, otherwise the parameter.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    held: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Column -> parameters that are held at a value where all runs have one value of the column."""
    response: str = "loss"
    """The column that it predicts."""
    delta: float = 1e-3
    """Huber width in ln of the response that suits its scatter; inf: least squares."""

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


SHARE = 0.05
"""Smallest term at a start, as a share of the lowest loss: a term of zero would have no gradient."""
ROWS = 2000
"""Most rows used to find the starts; larger tables are sampled."""


def grid(law: Law, values: Mapping[str, Sequence[float] | Floats]) -> Floats:
    """Return theta for every combination of `values`, shape (m, p); parameters that are not named are zero."""
    points = np.array(list(itertools.product(*values.values())), float).reshape(-1, len(values))
    theta = np.zeros((len(points), len(law.parameters)))
    theta[:, [law.parameters.index(name) for name in values]] = points
    return theta


def with_sizes(law: Law, theta: Floats, sizes: Sequence[str], logs: Columns, target: Floats) -> Floats:
    """Return theta, shape (m, p), with the coefficients solved for: sizes[k] names ln of the coefficient of term k.

    The coefficients in the given `theta` matter only if the law uses them outside their own term. `target` is ln L,
    shape (n,).
    """
    rows = some_rows(len(target), ROWS)
    logs, target = {name: values[rows] for name, values in logs.items()}, target[rows]
    points = [law.log_terms(list(point), logs) for point in theta]
    terms = np.array([[np.broadcast_to(term, target.shape) for term in point] for point in points])  # (m, K, n)
    centre = terms.mean(axis=2)
    relative = np.exp(terms - centre[:, :, None] - target)
    found = _non_negative(relative @ relative.transpose(0, 2, 1), relative.sum(axis=2))
    smallest = SHARE * np.exp(target.min())
    theta = theta.copy()
    theta[:, [law.parameters.index(name) for name in sizes]] += np.log(np.maximum(found, smallest)) - centre
    return theta


def some_rows(n: int, most: int) -> NDArray[np.intp]:
    """Return the numbers of all n rows, or of `most` of them: a sample without replacement, always the same one."""
    return np.arange(n) if n <= most else np.sort(np.random.default_rng(0).choice(n, most, replace=False))


def _non_negative(square: Floats, right: Floats) -> Floats:
    """Return the x >= 0, shape (m, K), that minimise x' square x / 2 - right' x: the best of all subsets of terms."""
    m, K = right.shape
    best, lowest = np.zeros((m, K)), np.zeros(m)
    for size in range(1, K + 1):
        for chosen in map(list, itertools.combinations(range(K), size)):
            block = square[:, chosen][:, :, chosen] + 1e-12 * np.eye(size) * square[:, chosen, chosen].max()
            x = np.linalg.solve(block, right[:, chosen, None])[:, :, 0]
            value = -0.5 * (x * right[:, chosen]).sum(axis=1)
            better = (x >= 0).all(axis=1) & (value < lowest)
            lowest = np.where(better, value, lowest)
            best[better] = 0.0
            best[np.ix_(better, chosen)] = x[better]
    return best
