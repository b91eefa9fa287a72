"""Chinchilla's law with an outer exponent k, arXiv 2608.07222: parameters and tokens are then no longer independent.

At k = 1 it is Chinchilla's law. The best N and D at a given C have the same closed form for every k. The form and the
range of k (0.31 to 0.45 on the authors' grids) were read in summaries of the paper, not in the paper itself; its other
coefficients were not seen.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fits.laws import chinchilla
from fits.laws.autodiff import log_sum
from fits.laws.law import SIZE, Columns, Law, grid, with_sizes
from fits.runs.table import Floats

COUPLINGS = (1.0, 0.4)
"""Starting values of k."""
EXPONENTS = (0.2, 0.4, 0.8)
"""Starting values of the exponents of the whole terms, k alpha and k beta."""


def log_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln of the coupled term and of the constant term."""
    a, b, e, alpha, beta, k = theta
    return log_sum(a - alpha * x["N"], b - beta * x["D"]) * k, e


def starts(law: Law, x: Columns, log_loss: Floats) -> Floats:
    """Return the starts of Chinchilla's law with its exponents and sizes divided by k, shape (18, 6)."""
    additive = chinchilla.LAW
    points = grid(additive, {"alpha": EXPONENTS, "beta": EXPONENTS})
    points = with_sizes(additive, points, ("A", "B", "E"), x, log_loss)
    return np.concatenate([_coupled(points, k) for k in COUPLINGS])


def _coupled(points: Floats, k: float) -> Floats:
    """Return points of Chinchilla's law, shape (m, 5), with each term written as a power k, shape (m, 6)."""
    inner = np.where(np.arange(5) == 2, points, points / k)
    return np.column_stack([inner, np.full(len(points), k)])


LAW = Law(
    name="skaling",
    formula="L = E + (A / N^alpha + B / D^beta)^k",
    latex=r"L = E + \left(\frac{A}{N^{\alpha}} + \frac{B}{D^{\beta}}\right)^{k}",
    source="arXiv 2608.07222 (the form; read in summaries, its coefficients were not seen)",
    valid="dense models of 100M to 6.4B parameters; k trades off with E, and is near 1 on the runs of arXiv 2203.15556",
    columns=("N", "D"),
    parameters=("A", "B", "E", "alpha", "beta", "k"),
    positive=("A", "B", "E"),
    bounds=(SIZE,) * 3 + ((0.0, 10.0),) * 2 + ((0.05, 3.0),),
    log_terms=log_terms,
    starts=starts,
)
