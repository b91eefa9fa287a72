"""The activation law for repeated data: D' effective tokens (arXiv 2305.16264) take the place of the D consumed."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from fits.laws import activation
from fits.laws.law import Columns
from fits.laws.muennighoff import log_effective


def log_terms(theta: Sequence[Any], x: Columns) -> tuple[Any, ...]:
    """Return ln of the size term, the data term and the constant term; a token counts as D' / D fresh ones."""
    *theta, decay = theta
    size, data, constant = activation.log_terms(theta, x)
    worth = log_effective(np.minimum(x["U"], x["D"]), x["D"], decay) - x["D"]
    return size, data - theta[4] * worth, constant


LAW = dataclasses.replace(
    activation.LAW,
    name="activation_reuse",
    formula=activation.LAW.formula.replace("(C / 6N)^beta", "(C / 6N x D' / D)^beta")
    + ", D' = U + U R_D (1 - exp(-(D/U - 1) / R_D))",
    latex=activation.LAW.latex.replace("(C/6N)^{\\beta}", r"(C/6N \cdot D'/D)^{\beta}"),
    source=activation.LAW.source + "; repeated tokens as in arXiv 2305.16264",
    valid=activation.LAW.valid
    + "; r* is the optimum for fresh tokens: where sparser models repeat more data, the lowest loss lies above it",
    columns=(*activation.LAW.columns, "D", "U"),
    parameters=(*activation.LAW.parameters, "R_D"),
    positive=(*activation.LAW.positive, "R_D"),
    bounds=(*activation.LAW.bounds, (-7.0, 14.0)),
    log_terms=log_terms,
)
