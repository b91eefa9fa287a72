"""The routed law of arXiv 2202.01169, equation 5: bilinear in log10 N and log10 of the effective number of experts."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fits.laws.law import Columns, Example, Law, grid
from fits.laws.saturation import MOST, START, log_experts
from fits.runs.table import Floats

LN10 = math.log(10)
KEPT = 8
"""Number of starts: the best pairs of E_start and E_max, with the other parameters solved for."""


def log_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln L, the only term."""
    a, b, c, d, start, most = theta
    experts = log_experts(np.exp(x["n_experts"]), start, most)
    return (a * x["N_a"] + b * experts + c * experts * (x["N_a"] / LN10) + d * LN10,)


def starts(law: Law, x: Columns, log_loss: Floats) -> Floats:
    """Return the best points of a grid over E_start and E_max, shape (8, 6); at each the law is linear in the rest."""
    points = grid(law, {"E_start": np.log([0.5, 1, 1.5, 2, 3, 5, 8]), "E_max": np.log([50, 100, 200, 400, 800, 3000])})
    misses = np.empty(len(points))
    for at, point in enumerate(points):
        experts, size = log_experts(np.exp(x["n_experts"]), point[4], point[5]), x["N_a"]
        design = np.column_stack([size, experts, experts * size / LN10, np.full_like(size, LN10)])
        point[:4] = np.linalg.lstsq(design, log_loss, rcond=None)[0]
        misses[at] = np.sum((design @ point[:4] - log_loss) ** 2)
    return points[np.argsort(misses, kind="stable")[:KEPT]]


def _printed(*values: float) -> dict[str, float]:
    return dict(zip(("a", "b", "c", "d", "E_start", "E_max"), values, strict=True))


S_BASE = _printed(-0.082, -0.108, 0.009, 1.104, 1.847, 314.478)
RL_R = _printed(-0.083, -0.126, 0.012, 1.111, 1.880, 469.982)
HASH = _printed(-0.087, -0.136, 0.012, 1.157, 4.175, 477.741)

LAW = Law(
    name="clark",
    formula="log10 L = a log10 N_a + b log10 E^ + c log10 N_a log10 E^ + d, E^ = n_experts saturated by E_start, E_max",
    latex=r"\log_{10} L = a \log_{10} N_a + b \log_{10} \hat E + c \log_{10} N_a \log_{10} \hat E + d, \quad "
    r"\frac{1}{\hat E} = \frac{1}{E - 1 + \left(\frac{1}{E_{start}} - \frac{1}{E_{max}}\right)^{-1}}"
    r" + \frac{1}{E_{max}}",
    source="arXiv 2202.01169, equation 5 and table 3",
    valid="one routed expert a token, 1 to 512 experts, dense sizes of 15M to 1.3B; D was always 130B",
    columns=("N_a", "n_experts"),
    parameters=("a", "b", "c", "d", "E_start", "E_max"),
    positive=("E_start", "E_max"),
    bounds=((-math.inf, math.inf),) * 4 + (START, MOST),
    log_terms=log_terms,
    starts=starts,
    examples=(
        Example(params=S_BASE, columns={"N_a": 1.3e9, "n_experts": 1}, value=2.237, digits=3),
        Example(params=S_BASE, columns={"N_a": 1.3e9, "n_experts": 64}, value=2.050, digits=3),
    ),
)
