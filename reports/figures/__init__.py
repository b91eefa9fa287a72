"""The figures of a report: each is one file that draws on axes, and one line of FIGURES."""

from reports.figures import activation, training
from reports.style import Figure

FIGURES: dict[str, Figure] = {
    "activation": activation.FIGURE,
    "training": training.FIGURE,
}
"""Name of its files -> figure."""
