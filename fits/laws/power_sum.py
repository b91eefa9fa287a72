"""The sum of two powers of the activation rate at one budget and size: the curve that theory expects at equal N and C.

    L = E + a r_a^-alpha + c r_a^beta

More active parameters lower the capacity term, a power of r_a; at equal C they leave fewer tokens, so the data term
grows as another power (arXiv 2203.15556). The minimum lies at r_a* = (a alpha / (c beta))^(1 / (alpha + beta)).
"""

from collections.abc import Sequence
from typing import Any

from fits.laws.law import SIZE, Columns, Law, grid, with_sizes
from fits.runs.table import Floats


def log_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln of the falling term, the growing term and the constant term."""
    a, c, e, alpha, beta = theta
    return a - alpha * x["r_a"], c + beta * x["r_a"], e


def starts(law: Law, x: Columns, log_loss: Floats) -> Floats:
    """Return a grid over the exponents, shape (16, 5)."""
    points = grid(law, {"alpha": (0.3, 1.0, 3.0, 8.0), "beta": (0.2, 0.6, 1.5, 4.0)})
    return with_sizes(law, points, ("a", "c", "E"), x, log_loss)


LAW = Law(
    name="power_sum",
    formula="L = E + a r_a^-alpha + c r_a^beta",
    latex=r"L = E + a\, r_a^{-\alpha} + c\, r_a^{\beta}",
    source="this toolkit; Chinchilla's terms (arXiv 2203.15556) at fixed N and C",
    valid="MoE arms of one budget and one size",
    columns=("r_a",),
    parameters=("a", "c", "E", "alpha", "beta"),
    positive=("a", "c", "E"),
    bounds=(SIZE,) * 3 + ((0.01, 20.0),) * 2,
    log_terms=log_terms,
    starts=starts,
)
