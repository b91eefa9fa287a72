"""Effective number of experts, arXiv 2202.01169, equation 5, for two laws: it saturates at few and at many experts."""

from typing import Any

from fits.laws.autodiff import exp, log
from fits.runs.table import Floats

START, MOST = (-3.0, 2.9), (3.0, 25.0)
"""Bounds of ln E_start and of ln E_max. They do not overlap, so E_start stays below E_max."""


def log_experts(n_experts: Floats, start: Any, most: Any) -> Any:
    """Return ln of E^, where 1 / E^ = 1 / (E - 1 + 1 / (1 / E_start - 1 / E_max)) + 1 / E_max.

    start and most are ln E_start and ln E_max. E^ is E_start for one expert and tends to E_max for many.
    """
    gap = exp(-start) - exp(-most)
    return -log(gap / (gap * (n_experts - 1) + 1.0) + exp(-most))
