"""This toolkit's law of the activation rate: the best loss at (N, C), times the cost of a rate other than the best.

    L = E + (A / N^alpha + B / (C / 6N)^beta) exp(kappa / 2 (ln r_a - ln r*)^2)
    ln r* = ln r_star + drift_N ln(N / 1e9) + drift_C ln(C / 1e20)

C is the training budget in FLOPs. D therefore follows from N, r_a and C, and a dense model of that size would see
C / 6N tokens. At fixed N and C the loss is lowest exactly at r_a = r*(N, C), so the optimum is a parameter and does not
have to be derived. Fixing drift_N = drift_C = 0 (`fixed` in a fit) gives the nested law of a constant optimum.

Identification: kappa and r_star need three rates in one cell of (N, C). drift_C needs several C at one N, and drift_N
needs several N at one C. E, A and alpha need three sizes. If N determines C, the two drifts cannot be separated.
Runs of one size fix the size term at zero, so that it is part of E, and drift_N at zero: such a fit holds at that N.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fits.laws.law import SIZE, Columns, Law, grid, with_sizes
from fits.runs.table import Floats

N_0, C_0 = 1e9, 1e20
"""Reference size and budget: r_star is the optimum there."""
LN6 = math.log(6)
VANISHED = 1e-300
"""A coefficient whose term adds nothing to any loss."""


def log_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln of the size term, the data term and the constant term."""
    a, b, e, alpha, beta, kappa, star, drift_N, drift_C = theta
    distance = x["r_a"] - (star + drift_N * (x["N"] - math.log(N_0)) + drift_C * (x["C"] - math.log(C_0)))
    cost = distance * distance * kappa * 0.5
    return cost + a - alpha * x["N"], cost + b - beta * (x["C"] - x["N"] - LN6), e


def starts(law: Law, x: Columns, log_loss: Floats) -> Floats:
    """Return a grid over the exponents and over optima at quartiles of the sampled rates, shape (12, p)."""
    rates = np.quantile(x["r_a"], (0.25, 0.5, 0.75))
    reuse = {"R_D": (2.5,)} if "R_D" in law.parameters else {}
    points = grid(law, {"alpha": (0.2, 0.5), "beta": (0.2, 0.5), "kappa": (0.05,), "r_star": rates, **reuse})
    return with_sizes(law, points, ("A", "B", "E"), x, log_loss)


LAW = Law(
    name="activation",
    formula="L = E + (A / N^alpha + B / (C / 6N)^beta) exp(kappa / 2 (ln r_a / r*)^2),"
    " r* = r_star (N / 1e9)^drift_N (C / 1e20)^drift_C",
    latex=r"L = E + \left(\frac{A}{N^{\alpha}} + \frac{B}{(C/6N)^{\beta}}\right) "
    r"e^{\frac{\kappa}{2} \ln^2 (r_a / r^*)}, \quad "
    r"r^* = r_{star} \left(\frac{N}{10^9}\right)^{drift_N} \left(\frac{C}{10^{20}}\right)^{drift_C}",
    source="this toolkit; Chinchilla's terms (arXiv 2203.15556) with an optimum as in arXiv 2506.12119 that may move",
    valid="the rates, sizes and budgets of the fitted runs, near the optimum: the cost is symmetric in ln r_a",
    columns=("N", "r_a", "C"),
    parameters=("A", "B", "E", "alpha", "beta", "kappa", "r_star", "drift_N", "drift_C"),
    positive=("A", "B", "E", "r_star"),
    bounds=(SIZE,) * 3 + ((0.0, 5.0),) * 2 + ((0.0, 20.0), (-30.0, 30.0), (-5.0, 5.0), (-5.0, 5.0)),
    log_terms=log_terms,
    starts=starts,
    held={"N": {"A": VANISHED, "alpha": 0.0, "drift_N": 0.0}},
)
