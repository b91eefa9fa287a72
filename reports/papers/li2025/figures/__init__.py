"""Its figures redrawn, each beside what we add."""

from typing import Any

from reports.page.figure import Figure
from reports.papers.li2025.figures import compute, effects, minima, rates

FIGURES: dict[str, Figure[Any]] = {
    "li2025-gap": rates.GAP,
    "li2025-minima": minima.FIGURE,
    "li2025-1a": compute.FIG_1A,
    "li2025-1b": rates.FIG_1B,
    "li2025-2a": compute.FIG_2A,
    "li2025-2b": rates.FIG_2B,
    "li2025-5": rates.FIG_5,
    "li2025-reuse": effects.REUSE,
    "li2025-learning-rates": effects.LEARNING_RATES,
}
"""Name of its files -> figure."""
