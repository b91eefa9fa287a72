"""The figures: each is one file that draws data on axes, and one line of FIGURES."""

from typing import Any

from reports.page.figure import Figure
from reports.papers.chinchilla import figures
from reports.papers.clark import figures as clark
from reports.papers.gadre import figures as gadre
from reports.papers.li2025.figures import compute, effects, minima, rates
from reports.papers.muennighoff import figures as muennighoff
from reports.papers.porian import figures as porian
from reports.papers.tinystories import figures as tinystories
from reports.study.figures import (
    activation,
    comparison,
    cost,
    crossing,
    curves,
    equal_time,
    equality,
    optimum,
    residuals,
    reuse,
    router_grid,
    routing,
    surface,
    training,
)
from reports.versus import figures as versus

FIGURES: dict[str, Figure[Any]] = {
    "activation": activation.FIGURE,
    "optimum": optimum.FIGURE,
    "surface": surface.FIGURE,
    "crossing": crossing.FIGURE,
    "reuse": reuse.FIGURE,
    "devicetime": equal_time.FIGURE,
    "curves": curves.FIGURE,
    "comparison": comparison.FIGURE,
    "residuals": residuals.FIGURE,
    "ledger": equality.FIGURE,
    "training": training.FIGURE,
    "routing": routing.FIGURE,
    "cost": cost.FIGURE,
    "router_grid": router_grid.FIGURE,
    "li2025-gap": rates.GAP,
    "li2025-minima": minima.FIGURE,
    "li2025-1a": compute.FIG_1A,
    "li2025-1b": rates.FIG_1B,
    "li2025-2a": compute.FIG_2A,
    "li2025-2b": rates.FIG_2B,
    "li2025-5": rates.FIG_5,
    "li2025-reuse": effects.REUSE,
    "li2025-learning-rates": effects.LEARNING_RATES,
    **figures.FIGURES,
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
