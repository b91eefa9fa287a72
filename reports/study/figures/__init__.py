"""The figures of a study: each is one file with a constant FIGURE, and one line of FIGURES."""

from pathlib import Path

from planners.records.errors import UsageError
from planners.records.registry import look_up
from planners.study import Study
from reports.page.figure import Canvas, Figure, drawn
from reports.study.evidence import Evidence, read_evidence
from reports.study.evidence.router_grid import largest_grid
from reports.study.figures import (
    activation,
    claims,
    comparison,
    cost,
    crossings,
    curves,
    equal_time,
    equality,
    loss_curves,
    optimum,
    real_models,
    residuals,
    reuse,
    router_grid,
    routing,
    surface,
)

FIGURES: dict[str, Figure[Evidence]] = {
    "activation": activation.FIGURE,
    "optimum": optimum.FIGURE,
    "surface": surface.FIGURE,
    "real_models": real_models.FIGURE,
    "crossings": crossings.FIGURE,
    "reuse": reuse.FIGURE,
    "equal_time": equal_time.FIGURE,
    "curves": curves.FIGURE,
    "comparison": comparison.FIGURE,
    "residuals": residuals.FIGURE,
    "equality": equality.FIGURE,
    "loss_curves": loss_curves.FIGURE,
    "routing": routing.FIGURE,
    "cost": cost.FIGURE,
    "claims": claims.FIGURE,
    "router_grid": router_grid.FIGURE.of(largest_grid),
}
"""Name of a figure, and of its files -> the figure."""


def draw(name: str, study: Study | Path | str) -> "Canvas":
    """Return the figure `name` of a study as a matplotlib figure, to change or to save.

    `study` is a study or its folder; `FIGURES` lists the names. Raises UsageError for an unknown name, and where the
    study has nothing to show in this figure.

    >>> canvas = draw("activation", "results/laptop")
    >>> canvas.savefig("activation.svg")
    """
    figure = look_up(FIGURES, name, "figure")
    evidence = read_evidence(study if isinstance(study, Study) else Study(study))
    if not figure.has_data(evidence):
        raise UsageError(f"study {evidence.folder} has nothing to show in the figure {name}")
    return drawn(figure, evidence)
