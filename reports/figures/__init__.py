"""The figures: each is one file that draws data on axes, and one line of FIGURES."""

from typing import Any

from reports.figures import (
    activation,
    chinchilla,
    clark,
    comparison,
    cost,
    crossing,
    curves,
    devicetime,
    gadre,
    ledger,
    li2025_compute,
    li2025_effects,
    li2025_minima,
    li2025_rates,
    muennighoff,
    optimum,
    porian,
    residuals,
    reuse,
    router_grid,
    routing,
    surface,
    tinystories,
    training,
    versus,
)
from reports.style import Figure

FIGURES: dict[str, Figure[Any]] = {
    "activation": activation.FIGURE,
    "optimum": optimum.FIGURE,
    "surface": surface.FIGURE,
    "crossing": crossing.FIGURE,
    "reuse": reuse.FIGURE,
    "devicetime": devicetime.FIGURE,
    "curves": curves.FIGURE,
    "comparison": comparison.FIGURE,
    "residuals": residuals.FIGURE,
    "ledger": ledger.FIGURE,
    "training": training.FIGURE,
    "routing": routing.FIGURE,
    "cost": cost.FIGURE,
    "router_grid": router_grid.FIGURE,
    "li2025-gap": li2025_rates.GAP,
    "li2025-minima": li2025_minima.FIGURE,
    "li2025-1a": li2025_compute.FIG_1A,
    "li2025-1b": li2025_rates.FIG_1B,
    "li2025-2a": li2025_compute.FIG_2A,
    "li2025-2b": li2025_rates.FIG_2B,
    "li2025-5": li2025_rates.FIG_5,
    "li2025-reuse": li2025_effects.REUSE,
    "li2025-learning-rates": li2025_effects.LEARNING_RATES,
    **chinchilla.FIGURES,
    **clark.FIGURES,
    **muennighoff.FIGURES,
    **gadre.FIGURES,
    **porian.FIGURES,
    **tinystories.FIGURES,
    **versus.FIGURES,
}
"""Name of its files -> figure."""


def figures_of(kind: str) -> dict[str, Figure[Any]]:
    """Return the figures drawn from `kind`: study, or the name of a reproduction, in the order of FIGURES."""
    return {name: figure for name, figure in FIGURES.items() if figure.of == kind}
