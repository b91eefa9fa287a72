"""Our law of the activation rate: the best loss at (N, C), times what a rate other than the best one costs.

    L = E + (A / N^alpha + B / (C / 6N)^beta) exp(kappa / 2 (ln r_a - ln r*)^2)
    ln r* = ln r_star + drift_N ln(N / 1e9) + drift_C ln(C / 1e20)

C is the training budget in FLOPs, so D follows from N, r_a and C, and a dense model of that size would see C / 6N
tokens. At fixed N and C the loss is lowest at r_a = r*(N, C) exactly, which makes the place of the optimum a parameter
rather than something to be derived. With drift_N = drift_C = 0 (`fixed` in a fit) it is the law of a constant optimum.

What identifies what: kappa and r_star need three rates in one cell of (N, C); drift_C needs several C at one N and
drift_N several N at one C; E, A and alpha need three sizes. Where N sets C, the two drifts cannot be told apart.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fits.laws.law import SIZE, Columns, Law
from fits.laws.muennighoff import log_effective
from fits.laws.starts import grid, with_sizes
from fits.runs.table import Floats

N_0, C_0 = 1e9, 1e20
"""Where r_star is the optimum."""
LN6 = math.log(6)
CONSTANT = {"drift_N": 0.0, "drift_C": 0.0}
"""What is fixed in the nested law of a constant optimum."""


def log_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln of the size, data and constant term."""
    a, b, e, alpha, beta, kappa, star, drift_N, drift_C = theta
    off = x["r_a"] - (star + drift_N * (x["N"] - math.log(N_0)) + drift_C * (x["C"] - math.log(C_0)))
    cost = off * off * kappa * 0.5
    return cost + a - alpha * x["N"], cost + b - beta * (x["C"] - x["N"] - LN6), e


def reused_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return the same terms where tokens repeat: those of the data term are worth D' / D of fresh ones."""
    *theta, fade = theta
    size, data, constant = log_terms(theta, x)
    worth = log_effective(np.minimum(x["U"], x["D"]), x["D"], fade) - x["D"]
    return size, data - theta[4] * worth, constant


def starts(law: Law, x: Columns, log_loss: Floats) -> Floats:
    """Return a grid over the exponents and the optimum, within the rates that were run, shape (12, 9)."""
    rates = np.quantile(x["r_a"], (0.25, 0.5, 0.75))
    fade = {"R_D": (2.5,)} if "R_D" in law.parameters else {}
    points = grid(law, {"alpha": (0.2, 0.5), "beta": (0.2, 0.5), "kappa": (0.05,), "r_star": rates, **fade})
    return with_sizes(law, points, ("A", "B", "E"), x, log_loss)


def optimum(params: Mapping[str, float], N: Floats | float, C: Floats | float) -> Floats:
    """Return r*(N, C) of a fitted law, a share that may exceed 1 outside of the runs."""
    drift = params["drift_N"] * np.log(np.asarray(N) / N_0) + params["drift_C"] * np.log(np.asarray(C) / C_0)
    return np.asarray(params["r_star"] * np.exp(drift))


LAW = Law(
    name="activation",
    formula="L = E + (A / N^alpha + B / (C / 6N)^beta) exp(kappa / 2 (ln r_a / r*)^2),"
    " r* = r_star (N / 1e9)^drift_N (C / 1e20)^drift_C",
    latex=r"L = E + \left(\frac{A}{N^{\alpha}} + \frac{B}{(C/6N)^{\beta}}\right) "
    r"e^{\frac{\kappa}{2} \ln^2 (r_a / r^*)}, \quad "
    r"r^* = r_{star} \left(\frac{N}{10^9}\right)^{drift_N} \left(\frac{C}{10^{20}}\right)^{drift_C}",
    source="this toolkit; Chinchilla's terms (arXiv 2203.15556) with an optimum as in arXiv 2506.12119 that may move",
    valid="the rates, sizes and budgets of the runs it is fitted to, near the optimum: the cost is symmetric in ln r_a",
    columns=("N", "r_a", "C"),
    parameters=("A", "B", "E", "alpha", "beta", "kappa", "r_star", "drift_N", "drift_C"),
    positive=("A", "B", "E", "r_star"),
    bounds=(SIZE,) * 3 + ((0.0, 5.0),) * 2 + ((0.0, 20.0), (-30.0, 30.0), (-5.0, 5.0), (-5.0, 5.0)),
    log_terms=log_terms,
    starts=starts,
)

REUSED = dataclasses.replace(
    LAW,
    name="activation_reuse",
    formula=LAW.formula.replace("(C / 6N)^beta", "(C / 6N x D' / D)^beta")
    + ", D' = U + U R_D (1 - exp(-(D/U - 1) / R_D))",
    latex=LAW.latex.replace("(C/6N)^{\\beta}", r"(C/6N \cdot D'/D)^{\beta}"),
    source=LAW.source + "; repeated tokens as in arXiv 2305.16264",
    valid=LAW.valid
    + "; r* is the optimum of fresh tokens: where sparser models repeat more, the lowest loss is above it",
    columns=(*LAW.columns, "D", "U"),
    parameters=(*LAW.parameters, "R_D"),
    positive=(*LAW.positive, "R_D"),
    bounds=(*LAW.bounds, (-7.0, 14.0)),
    log_terms=reused_terms,
)
