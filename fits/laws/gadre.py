"""The over-training law, arXiv 2403.08540: at fixed tokens per parameter M, the loss is a power law of compute."""

import math
from collections.abc import Sequence
from typing import Any

from fits.laws.law import SIZE, Columns, Law, grid, with_sizes
from fits.runs.table import Floats

LN6 = math.log(6)


def log_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln of the two compute terms and of the constant term, with M = D / N and C = 6 N D."""
    a, b, e, eta = theta
    M, C = x["D"] - x["N"], x["N"] + x["D"] + LN6
    return a + eta * (M - C), b - eta * (M + C), e


def starts(law: Law, x: Columns, log_loss: Floats) -> Floats:
    """Return one start for each value of eta, shape (6, 4)."""
    points = grid(law, {"eta": (0.05, 0.1, 0.15, 0.2, 0.3, 0.5)})
    return with_sizes(law, points, ("a", "b", "E"), x, log_loss)


LAW = Law(
    name="gadre",
    formula="L = E + (a M^eta + b M^-eta) C^-eta, M = D / N, C = 6 N D",
    latex=r"L = E + \left(a M^{\eta} + b M^{-\eta}\right) C^{-\eta}",
    source="arXiv 2403.08540, equation 4",
    valid="dense models of 11M to 6.9B parameters, 5 to 640 tokens per parameter; N and D share the exponent 2 eta",
    columns=("N", "D"),
    parameters=("a", "b", "E", "eta"),
    positive=("a", "b", "E"),
    bounds=(SIZE,) * 3 + ((0.0, 2.5),),
    log_terms=log_terms,
    starts=starts,
)
