"""The joint law of arXiv 2502.05172: Chinchilla's terms with coefficients and exponents that depend on n_experts."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fits.laws.law import SIZE, Columns, Example, Law, grid, with_sizes
from fits.laws.saturation import MOST, START, log_experts
from fits.runs.table import Floats


def log_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln of the size term, the data term and the constant term."""
    a, alpha, delta, gamma, b, beta, omega, zeta, start, most, c = theta
    experts = log_experts(np.exp(x["n_experts"]), start, most)
    size = a + delta * experts + (alpha + gamma * experts) * x["N_a"]
    data = b + omega * experts + (beta + zeta * experts) * x["D"]
    return size, data, c


def starts(law: Law, x: Columns, log_loss: Floats) -> Floats:
    """Return a grid over the exponents and over E_start and E_max, shape (16, 11)."""
    ends = {"E_start": (0.2, 1.1), "E_max": (4.1, 5.7)}
    points = grid(law, {"alpha": (-0.15, -0.35), "beta": (-0.15, -0.35), **ends})
    return with_sizes(law, points, ("a", "b", "c"), x, log_loss)


PUBLISHED = {
    "a": 35.91,
    "alpha": -0.1889,
    "delta": -0.2285,
    "gamma": 0.0098,
    "b": 35.98,
    "beta": -0.1775,
    "omega": 0.5529,
    "zeta": -0.0259,
    "E_start": 2.0732,
    "E_max": 290.4521,
    "c": 1.3637,
}
_BOUNDS = {"alpha": (-5.0, 0.0), "beta": (-5.0, 0.0), "E_start": START, "E_max": MOST, "a": SIZE, "b": SIZE, "c": SIZE}

LAW = Law(
    name="ludziejewski",
    formula="L = a E^^delta N_a^(alpha + gamma ln E^) + b E^^omega D^(beta + zeta ln E^) + c, E^ = n_experts saturated",
    latex=r"L = a \hat E^{\delta} N_a^{\alpha + \gamma \ln \hat E} "
    r"+ b \hat E^{\omega} D^{\beta + \zeta \ln \hat E} + c",
    source="arXiv 2502.05172, equation 6 and table 2",
    valid="one routed expert a token, 1 to 32 experts, up to 5B parameters; N_a counts the embeddings there",
    columns=("N_a", "D", "n_experts"),
    parameters=tuple(PUBLISHED),
    positive=("a", "b", "E_start", "E_max", "c"),
    bounds=tuple(_BOUNDS.get(name, (-math.inf, math.inf)) for name in PUBLISHED),
    log_terms=log_terms,
    starts=starts,
    examples=(
        Example(params=PUBLISHED, columns={"N_a": 1.1e9, "D": 16e9, "n_experts": 1}, value=2.5884, digits=4),
        Example(params=PUBLISHED, columns={"N_a": 469e6, "D": 32e9, "n_experts": 8}, value=2.5518, digits=4),
    ),
)
