"""The sparsity law of arXiv 2501.12370, in the active share of experts A_e = 1 - S."""

from collections.abc import Sequence
from typing import Any

from fits.laws.law import SIZE, Columns, Example, Law, grid, with_sizes
from fits.runs.table import Floats


def log_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln of the five terms."""
    a, alpha, b, beta, c, lam, d, delta, gamma, e = theta
    share = x["A_e"]
    return a - alpha * x["N"], b - beta * x["D"], c - lam * share, d - delta * share - gamma * x["N"], e


def starts(law: Law, x: Columns, log_loss: Floats) -> Floats:
    """Return a grid over the exponents, shape (16, 10)."""
    exponents = {"alpha": (0.3, 0.6), "beta": (0.3, 0.6), "lambda": (-0.3, -0.1), "delta": (0.15,), "gamma": (0.1, 0.3)}
    return with_sizes(law, grid(law, exponents), ("a", "b", "c", "d", "e"), x, log_loss)


PUBLISHED = {
    "a": 16612.50,
    "alpha": 0.5962,
    "b": 5455.67,
    "beta": 0.3954,
    "c": 0.4598,
    "lambda": -0.1666,
    "d": 17.26,
    "delta": 0.1603,
    "gamma": 0.1595,
    "e": 0.94,
}
_BOUNDS = {"alpha": (0.0, 5.0), "beta": (0.0, 5.0), "lambda": (-5.0, 5.0), "delta": (-5.0, 5.0), "gamma": (0.0, 5.0)}

LAW = Law(
    name="abnar",
    formula="L = a / N^alpha + b / D^beta + c / A_e^lambda + d / (A_e^delta N^gamma) + e, A_e = 1 - sparsity",
    latex=r"L = \frac{a}{N^{\alpha}} + \frac{b}{D^{\beta}} + \frac{c}{(1-S)^{\lambda}} "
    r"+ \frac{d}{(1-S)^{\delta} N^{\gamma}} + e",
    source="arXiv 2501.12370, equation 5",
    valid="budgets of 3e19 to 1e21 FLOPs, N all parameters, sparsity S = (E - K) / E from 0 to 0.98",
    columns=("N", "D", "A_e"),
    parameters=tuple(PUBLISHED),
    positive=("a", "b", "c", "d", "e"),
    bounds=tuple(_BOUNDS.get(name, SIZE) for name in PUBLISHED),
    log_terms=log_terms,
    starts=starts,
    examples=(
        Example(params=PUBLISHED, columns={"N": 18.8e9, "D": 110.2e9, "A_e": 0.02}, value=2.1693, digits=4),
        Example(params=PUBLISHED, columns={"N": 1e9, "D": 2e10, "A_e": 1.0}, value=2.5657, digits=4),
    ),
)
