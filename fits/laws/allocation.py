"""The compute-optimal model size as a power law of the budget: N_opt = G C^a."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from fits.laws.law import SIZE, Columns, Law
from fits.runs.table import Floats


def log_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln N_opt = ln G + a ln C."""
    factor, exponent = theta
    return (factor + exponent * x["C"],)


def starts(law: Law, x: Columns, log_size: Floats) -> Floats:
    """Return the least-squares line, shape (1, 2)."""
    return np.polyfit(x["C"], log_size, 1)[None, ::-1]


LAW = Law(
    name="allocation",
    formula="N_opt = G C^a",
    latex=r"N_{opt} = G\, C^{a}",
    source="arXiv 2203.15556, approach 2, and arXiv 2406.19146",
    valid="the budgets whose optimal sizes it is fitted to",
    columns=("C",),
    parameters=("G", "a"),
    positive=("G",),
    bounds=(SIZE, (-5.0, 5.0)),
    log_terms=log_terms,
    starts=starts,
    response="N_opt",
    delta=math.inf,
)
