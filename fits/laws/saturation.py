"""The effective number of experts of arXiv 2202.01169, equation 5, which two laws share: it saturates at both ends."""

from typing import Any

from fits.laws.autodiff import exp, log
from fits.runs.table import Floats

START, MOST = (-3.0, 2.9), (3.0, 25.0)
"""Bounds of ln E_start and of ln E_max: apart, so that the first stays below the second."""


def log_experts(n_experts: Floats, start: Any, most: Any) -> Any:
    """Return ln of E^, where 1 / E^ = 1 / (E - 1 + 1 / (1 / E_start - 1 / E_max)) + 1 / E_max.

    start and most are ln of E_start and E_max. At E = 1 the effective number is E_start, at infinitely many E_max.
    """
    gap = exp(-start) - exp(-most)
    return -log(gap / (gap * (n_experts - 1) + 1.0) + exp(-most))
