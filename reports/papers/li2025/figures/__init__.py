"""The figures of arXiv 2506.12119: five of its own redrawn, and four more."""

from reports.page.figure import Figure
from reports.papers.li2025.figures import against_compute, against_rate, confounders
from reports.papers.li2025.study import Li2025

FIGURES: dict[str, Figure[Li2025]] = {
    "li2025-gap": against_rate.GAP,
    "li2025-minima": against_rate.MINIMUM_BY_CURVE,
    "li2025-1a": against_compute.FIG_1A,
    "li2025-1b": against_rate.FIG_1B,
    "li2025-2a": against_compute.FIG_2A,
    "li2025-2b": against_rate.FIG_2B,
    "li2025-5": against_rate.FIG_5,
    "li2025-reuse": confounders.REUSE,
    "li2025-learning-rates": confounders.LEARNING_RATES,
}
"""File name -> figure; the first stands next to the answer."""
