"""A power law of the loss in N alone, arXiv 2001.08361: a straight line on two logarithmic axes."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fits.laws.law import SIZE, Columns, Law
from fits.runs.table import Floats


def log_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln L = alpha_N (ln N_c - ln N)."""
    critical, alpha = theta
    return (alpha * (critical - x["N"]),)


def starts(law: Law, x: Columns, log_loss: Floats) -> Floats:
    """Return the least-squares line, shape (1, 2): the law is linear in alpha_N and alpha_N ln N_c."""
    gradient, intercept = np.polyfit(x["N"], log_loss, 1)
    return np.array([[-intercept / gradient, -gradient]])


LAW = Law(
    name="kaplan",
    formula="L = (N_c / N)^alpha_N",
    latex=r"L = \left(\frac{N_c}{N}\right)^{\alpha_N}",
    source="arXiv 2001.08361, equation 1.1",
    valid="models that are not short of data and far from the irreducible loss, which this law sets to zero",
    columns=("N",),
    parameters=("N_c", "alpha_N"),
    positive=("N_c",),
    bounds=(SIZE, (-5.0, 5.0)),
    log_terms=log_terms,
    starts=starts,
)
