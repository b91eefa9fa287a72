"""The activation law of theory: a capacity term that falls with N and r_a, and Chinchilla's data term at equal C.

    L = E + A / (N^alpha r_a^gamma) + B / D^beta,   D = C / (6 N r_a)

The best rate follows from the terms: r* = (gamma A D_1^beta / (beta B N^alpha))^(1 / (gamma + beta)), D_1 = C / (6 N).
It grows with C at fixed N as C^(beta / (gamma + beta)). Unlike in `activation`, the cost of a rate is not symmetric in
ln r_a.
"""

from collections.abc import Sequence
from typing import Any

from fits.laws.activation import LN6
from fits.laws.law import SIZE, Columns, Law, grid, with_sizes
from fits.runs.table import Floats


def log_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln of the capacity term, the data term and the constant term."""
    a, b, e, alpha, beta, gamma = theta
    return a - alpha * x["N"] - gamma * x["r_a"], b - beta * (x["C"] - x["N"] - x["r_a"] - LN6), e


def starts(law: Law, x: Columns, log_loss: Floats) -> Floats:
    """Return one start for each triple of exponents, shape (27, 6)."""
    points = grid(law, {"alpha": (0.1, 0.3, 0.6), "beta": (0.2, 0.4, 0.8), "gamma": (0.1, 0.4, 1.5)})
    return with_sizes(law, points, ("A", "B", "E"), x, log_loss)


LAW = Law(
    name="activation_powers",
    formula="L = E + A / (N^alpha r_a^gamma) + B / D^beta, D = C / (6 N r_a)",
    latex=r"L = E + \frac{A}{N^{\alpha} r_a^{\gamma}} + \frac{B}{D^{\beta}}, \quad D = \frac{C}{6 N r_a}",
    source="this toolkit; Chinchilla's terms (arXiv 2203.15556) with a power of the activation rate",
    valid="MoE of the rates, sizes and budgets of the fitted runs",
    columns=("N", "r_a", "C"),
    parameters=("A", "B", "E", "alpha", "beta", "gamma"),
    positive=("A", "B", "E"),
    bounds=(SIZE,) * 3 + ((0.0, 5.0),) * 2 + ((0.0, 20.0),),
    log_terms=log_terms,
    starts=starts,
    held={"N": {"alpha": 0.0}},
)
