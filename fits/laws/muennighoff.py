"""The law of repeated data, arXiv 2305.16264: repeated tokens and excess parameters lose their value.

    L = E + A / N'^alpha + B / D'^beta
    D' = U + U R_D (1 - exp(-r / R_D)),  r = D / U - 1
    N' = U_N + U_N R_N (1 - exp(-r_N / R_N)),  r_N = N / U_N - 1

U_N is the compute-optimal model size for U tokens under the same A, B, alpha and beta.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fits.laws.autodiff import exp, expm1, log, minimum
from fits.laws.law import SIZE, Columns, Law, grid, with_sizes
from fits.runs.table import Floats


def log_effective(once: Any, seen: Any, decay: Any) -> Any:
    """Return ln of U + U R (1 - exp(-r / R)), r = seen / U - 1; the arguments are ln U, ln seen and ln R, seen >= U."""
    # expm1 and not 1 - exp(-x): its rounding error makes a false optimum at large R
    again = -expm1(-expm1(seen - once) * exp(-decay))
    return once + log(exp(decay) * again + 1.0)


def effective_tokens(D: Floats | float, U: Floats | float, R_D: float) -> Floats:
    """Return the effective tokens D' of D tokens drawn from U unique ones; D' = D if D <= U."""
    seen = np.log(np.asarray(D, float))
    return np.asarray(np.exp(log_effective(np.minimum(np.log(U), seen), seen, math.log(R_D))))


def log_size_for(theta: Sequence[Any], tokens: Floats) -> Any:
    """Return ln of the compute-optimal size G (G U)^(beta / alpha), arXiv 2203.15556, where tokens = ln U."""
    a, b, _, alpha, beta = theta[:5]
    g = (a + alpha - b - beta) / (exp(alpha) + exp(beta))
    return g + (g + tokens) * exp(beta - alpha)


def log_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln of the N' term, the D' term and the constant term."""
    a, b, e, alpha, beta, decay_data, decay_size = theta
    tokens = np.minimum(x["U"], x["D"])
    size = minimum(log_size_for(theta, tokens), x["N"])
    N = log_effective(size, x["N"], decay_size)
    D = log_effective(tokens, x["D"], decay_data)
    return a - exp(alpha) * N, b - exp(beta) * D, e


def starts(law: Law, x: Columns, log_loss: Floats) -> Floats:
    """Return a grid over the exponent, R_D and R_N, shape (32, 7)."""
    decays = np.log([1.5, 5.0, 20.0, 100.0])
    points = grid(law, {"alpha": np.log([0.3, 0.6]), "R_D": decays, "R_N": decays})
    points[:, 4] = points[:, 3]
    points[:, 0] = np.exp(points[:, 3]) * np.mean(x["N"] - x["D"])  # sets U_N / U to the mean N / D of the runs
    return with_sizes(law, points, ("A", "B", "E"), x, log_loss)


PUBLISHED = {
    "A": math.exp(6.255414),
    "B": math.exp(7.3049974),
    "E": math.exp(0.6254804),
    "alpha": 0.3526596,
    "beta": 0.3526596,
    "R_D": 15.387756,
    "R_N": 5.309743,
}
"""The authors' constants. R_D and R_N were fitted with the others fixed, and are a local minimum, not the lowest."""

LAW = Law(
    name="muennighoff",
    formula="L = E + A / N'^alpha + B / D'^beta, D' = U + U R_D (1 - exp(-(D / U - 1) / R_D)), N' alike with R_N",
    latex=r"L = E + \frac{A}{N'^{\alpha}} + \frac{B}{D'^{\beta}}, \quad "
    r"D' = U + U R_D \left(1 - e^{-(D/U - 1)/R_D}\right)",
    source="arXiv 2305.16264, equations 5 and 6",
    valid="dense models of 7M to 9B parameters, 1 to 500 epochs; its authors left out runs whose loss rose again",
    columns=("N", "D", "U"),
    parameters=("A", "B", "E", "alpha", "beta", "R_D", "R_N"),
    positive=("A", "B", "E", "alpha", "beta", "R_D", "R_N"),
    bounds=(SIZE,) * 3 + ((-6.0, 1.6),) * 2 + ((-7.0, 14.0),) * 2,
    log_terms=log_terms,
    starts=starts,
)
