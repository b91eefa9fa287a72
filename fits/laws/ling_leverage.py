"""The efficiency leverage of arXiv 2507.17702, equation 13: compute of a dense model over that of an MoE of equal loss.

    EL = A^^(a + d lg C + gamma lg^2 G + beta lg G),   1 / A^ = 1 / (A_e + 1 / (1 / A_start - 1 / A_max)) + 1 / A_max

A_e is the share of experts that are active and G = 2 d_model / d_expert. Total parameters are free in it: a sparser
model is a larger one. The printed constants do not reproduce the printed claim. At A_e = 3.1 %, G = 12 and C = 1e22 the
paper states more than 7; with logarithms of base 10 its constants give 5.4, with natural ones thousands.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fits.laws.autodiff import exp, log
from fits.laws.law import Columns, Law, grid
from fits.runs.table import Floats

LN10 = math.log(10)


def log_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln EL, the only term."""
    a, d, gamma, beta, start, most = theta
    C, G = x["C"] / LN10, x["granularity"] / LN10
    return ((a + d * C + gamma * (G * G) + beta * G) * log_share(x, start, most),)


def log_share(x: Columns, start: Any, most: Any) -> Any:
    """Return ln A^ of the active share; start and most are ln A_start and ln A_max."""
    gap = exp(-start) - exp(-most)
    return -log(gap / (gap * np.exp(x["A_e"]) + 1.0) + exp(-most))


def starts(law: Law, x: Columns, log_leverage: Floats) -> Floats:
    """Return the ends of a grid over A_start and A_max, shape (16, 6); at each the law is linear in the rest."""
    points = grid(law, {"A_start": np.log([1e-3, 0.01, 0.05, 0.3]), "A_max": (1.2, 2.0, 5.0, 38.5)})
    C, G = x["C"] / LN10, x["granularity"] / LN10
    for point in points:
        design = np.column_stack([np.ones_like(C), C, G * G, G]) * log_share(x, point[4], point[5])[:, None]
        point[:4] = np.linalg.lstsq(design, log_leverage, rcond=None)[0]
    return points


PUBLISHED = {"a": 1.23, "d": -7.61e-2, "gamma": 1.67e-2, "beta": -0.117, "A_start": 1.63e-2, "A_max": 5.28e16}

LAW = Law(
    name="ling_leverage",
    formula="EL = A^^(a + d lg C + gamma lg^2 G + beta lg G), A^ = A_e saturated",
    latex=r"EL = \hat A^{\,a + d \lg C + \gamma \lg^2 G + \beta \lg G}",
    source="arXiv 2507.17702, equation 13 (printed constants; the printed claim is not reproduced by them)",
    valid="3e17 to 3e20 FLOPs, A_e from 0.8 % to 100 %, G from 2 to 16; total parameters are free",
    columns=("A_e", "granularity", "C"),
    parameters=tuple(PUBLISHED),
    positive=("A_start", "A_max"),
    bounds=((-20.0, 20.0), (-5.0, 5.0), (-5.0, 5.0), (-5.0, 5.0), (-15.0, 0.9), (1.0, 60.0)),
    log_terms=log_terms,
    starts=starts,
    response="leverage",
    delta=math.inf,
)
