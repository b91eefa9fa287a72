"""The joint law of arXiv 2001.08361, equation 1.5: size and data are coupled, and there is no irreducible loss."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from fits.laws.autodiff import log_sum
from fits.laws.law import SIZE, Columns, Law
from fits.runs.table import Floats


def log_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln L, the only term."""
    size, data, alpha_N, alpha_D = theta
    return (log_sum((size - x["N"]) * (alpha_N / alpha_D), data - x["D"]) * alpha_D,)


def starts(law: Law, x: Columns, log_loss: Floats) -> Floats:
    """Return one start for each pair of exponents, at which both terms are equal at the middle run, shape (9, 4)."""
    N, D, level = (float(np.median(each)) for each in (x["N"], x["D"], log_loss))
    pairs = itertools.product((0.05, 0.1, 0.2), repeat=2)
    return np.array([[N + level / a - np.log(2) * b / a, D + level / b - np.log(2), a, b] for a, b in pairs])


PUBLISHED = {"N_c": 6.4e13, "D_c": 1.8e13, "alpha_N": 0.076, "alpha_D": 0.103}
"""The fit of the joint law, table 2; the laws of N and of D alone have other constants (8.8e13 and 5.4e13)."""

LAW = Law(
    name="kaplan2020",
    formula="L = ((N_c / N)^(alpha_N / alpha_D) + D_c / D)^alpha_D",
    latex=r"L = \left[\left(\frac{N_c}{N}\right)^{\alpha_N / \alpha_D} + \frac{D_c}{D}\right]^{\alpha_D}",
    source="arXiv 2001.08361, equation 1.5 (constants of table 2, not checked against the paper)",
    valid="768 to 1.5B parameters without embeddings, 22M to 23B tokens of WebText2, one learning-rate schedule",
    columns=("N", "D"),
    parameters=tuple(PUBLISHED),
    positive=("N_c", "D_c"),
    bounds=(SIZE, SIZE, (1e-3, 2.0), (1e-3, 2.0)),
    log_terms=log_terms,
    starts=starts,
)
