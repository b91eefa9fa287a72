"""A power law of one column: what a plot with two logarithmic axes shows as a line."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fits.laws.law import SIZE, Columns, Law
from fits.runs.table import Floats


def size_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln L = alpha_N (ln N_c - ln N)."""
    critical, alpha = theta
    return (alpha * (critical - x["N"]),)


def size_starts(law: Law, x: Columns, log_loss: Floats) -> Floats:
    """Return the least-squares line, shape (1, 2): the law is linear in alpha_N and alpha_N ln N_c."""
    slope, height = np.polyfit(x["N"], log_loss, 1)
    return np.array([[-height / slope, -slope]])


def allocation_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln N_opt = ln G + a ln C."""
    factor, slope = theta
    return (factor + slope * x["C"],)


def allocation_starts(law: Law, x: Columns, log_size: Floats) -> Floats:
    """Return the least-squares line, shape (1, 2)."""
    return np.polyfit(x["C"], log_size, 1)[None, ::-1]


KAPLAN = Law(
    name="kaplan",
    formula="L = (N_c / N)^alpha_N",
    latex=r"L = \left(\frac{N_c}{N}\right)^{\alpha_N}",
    source="arXiv 2001.08361, equation 1.1",
    valid="models that are not short of data, far from the irreducible loss, which it has none of",
    columns=("N",),
    parameters=("N_c", "alpha_N"),
    positive=("N_c",),
    bounds=(SIZE, (-5.0, 5.0)),
    log_terms=size_terms,
    starts=size_starts,
)

ALLOCATION = Law(
    name="allocation",
    formula="N_opt = G C^a",
    latex=r"N_{opt} = G\, C^{a}",
    source="arXiv 2203.15556, approach 2, and arXiv 2406.19146",
    valid="the budgets whose optimal sizes it is fitted to",
    columns=("C",),
    parameters=("G", "a"),
    positive=("G",),
    bounds=(SIZE, (-5.0, 5.0)),
    log_terms=allocation_terms,
    starts=allocation_starts,
    response="N_opt",
)
