"""The figures: each is one file that draws data on axes, and one line of FIGURES."""

from typing import Any

from reports.figures import activation, training
from reports.style import Figure

FIGURES: dict[str, Figure[Any]] = {
    "activation": activation.FIGURE,
    "training": training.FIGURE,
}
"""Name of its files -> figure."""


def figures_of(kind: str) -> dict[str, Figure[Any]]:
    """Return the figures drawn from `kind`: study, or the name of a reproduction, in the order of FIGURES."""
    return {name: figure for name, figure in FIGURES.items() if figure.of == kind}
