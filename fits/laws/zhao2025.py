"""The five-factor law of arXiv 2509.23678: N, N_a, D, the number of active experts G and the share S of shared experts.

    L = (e G + f / G + m S^2 + n S) (N^-alpha + k N_a^-alpha + h N_a / N) + a N^-alpha + b D^-beta + c N_a^-alpha + eps

Its best G is sqrt(f / e) = 6.8 and its best S is -n / 2m = 0.31, whatever the other columns. The coefficients were read
in lecture notes, not in the paper. They reproduce the statements that the paper is quoted for: G about 7, S of 0.31,
and at fixed D a best N_a / N of 40 % at 30B parameters and 22 % at 671B.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from fits.laws.autodiff import log
from fits.laws.law import SIZE, Columns, Law, with_sizes
from fits.runs.table import Floats


def log_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln of the three terms of the experts, then of N, of D, of N_a, and of the constant."""
    e, f, m, n, k, h, a, b, c, eps, alpha, beta = theta
    G, S = np.exp(x["G"]), np.exp(x["S"])
    experts = log(e * G + f / G + m * S**2 + n * S)
    size, active = alpha * x["N"], alpha * x["N_a"]
    parts = experts - size, experts + k - active, experts + h + (x["N_a"] - x["N"])
    return *parts, a - size, b - beta * x["D"], c - active, eps


def starts(law: Law, x: Columns, log_loss: Floats) -> Floats:
    """Return the published point with other exponents and sizes of the last four terms, shape (9, 12)."""
    theta = law.theta(PUBLISHED)
    points = np.array([[*theta[:10], alpha, beta] for alpha, beta in itertools.product((0.15, 0.24, 0.4), repeat=2)])
    points[:, 6:10] = 0.0
    sized = with_sizes(law, points, ("e", "k", "h", "a", "b", "c", "eps"), x, log_loss)
    sized[:, (0, 4, 5)] = theta[[0, 4, 5]]
    return np.concatenate([theta[None], sized])


PUBLISHED = {
    "e": 0.1577,
    "f": 7.2446,
    "m": 5.1395,
    "n": -3.2363,
    "k": 0.0013,
    "h": 0.0450,
    "a": 38.051,
    "b": 27129.05,
    "c": 31.096,
    "eps": 1.8182,
    "alpha": 0.2383,
    "beta": 0.4694,
}
_POSITIVE = ("k", "h", "a", "b", "c", "eps")
_BOUNDS = {"e": (1e-6, 1e3), "f": (1e-6, 1e4), "m": (-1e3, 1e3), "n": (-1e3, 1e3), "alpha": (0.0, 5.0)}

LAW = Law(
    name="zhao2025",
    formula="L = (e G + f/G + m S^2 + n S) (N^-alpha + k N_a^-alpha + h N_a/N)"
    " + a N^-alpha + b D^-beta + c N_a^-alpha + eps",
    latex=r"L = \left(eG + \frac{f}{G} + mS^2 + nS\right)"
    r"\left(N^{-\alpha} + kN_a^{-\alpha} + h\frac{N_a}{N}\right) "
    r"+ aN^{-\alpha} + bD^{-\beta} + cN_a^{-\alpha} + \epsilon",
    source="arXiv 2509.23678 (coefficients read in lecture notes, not in the paper)",
    valid="MoE of 100M parameters or more (446 runs); N_a = N is an MoE with all experts active, not a dense model",
    columns=("N", "N_a", "D", "G", "S"),
    parameters=tuple(PUBLISHED),
    positive=_POSITIVE,
    bounds=tuple(_BOUNDS.get(name, SIZE if name in _POSITIVE else (0.0, 5.0)) for name in PUBLISHED),
    log_terms=log_terms,
    starts=starts,
)
