"""L = E + A / N^alpha + B / D^beta, arXiv 2203.15556, equation 2; arXiv 2404.10102 corrects the published fit."""

from collections.abc import Sequence
from typing import Any

from fits.laws.law import SIZE, Columns, Law, grid, with_sizes
from fits.runs.table import Floats

EXPONENTS = (0.2, 0.4, 0.8, 1.6)
"""Starting values of alpha and of beta; each pair is one start."""


def log_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln of the N term, the D term and the constant term."""
    a, b, e, alpha, beta = theta
    return a - alpha * x["N"], b - beta * x["D"], e


def starts(law: Law, x: Columns, log_loss: Floats) -> Floats:
    """Return one start for each pair of exponents, shape (16, 5)."""
    points = grid(law, {"alpha": EXPONENTS, "beta": EXPONENTS})
    return with_sizes(law, points, ("A", "B", "E"), x, log_loss)


LAW = Law(
    name="chinchilla",
    formula="L = E + A / N^alpha + B / D^beta",
    latex=r"L = E + \frac{A}{N^{\alpha}} + \frac{B}{D^{\beta}}",
    source="arXiv 2203.15556, equation 2; fitted as corrected in arXiv 2404.10102",
    valid="dense models of 70M to 16B parameters (embeddings included) and 5B to 500B tokens",
    columns=("N", "D"),
    parameters=("A", "B", "E", "alpha", "beta"),
    positive=("A", "B", "E"),
    bounds=(SIZE,) * 3 + ((0.0, 5.0),) * 2,
    log_terms=log_terms,
    starts=starts,
)
