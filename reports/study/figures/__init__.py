"""The figures of a study: each is one file with a constant FIGURE, and one line of FIGURES."""

from pathlib import Path
from typing import TYPE_CHECKING

from planners.records.errors import UsageError
from planners.study import Study
from reports.page.figure import Figure, drawn
from reports.study.evidence import Evidence, read_evidence
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

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

FIGURES: dict[str, Figure[Evidence]] = {
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
}
"""Name of a figure, and of its files -> the figure."""


def draw(name: str, study: Study | Path | str) -> "Canvas":
    """Return the figure `name` of a study as a matplotlib figure, to change or to save.

    `study` is a study or its folder; `FIGURES` lists the names. Raises UsageError for an unknown name, and where the
    study has nothing to show in this figure.

        >>> canvas = draw("activation", "results/laptop")  # doctest: +SKIP
        >>> canvas.savefig("activation.pdf")  # doctest: +SKIP
    """
    if name not in FIGURES:
        raise UsageError(f"no figure is called {name!r}; the figures of a study are: {', '.join(FIGURES)}")
    evidence = read_evidence(study if isinstance(study, Study) else Study(study))
    if not FIGURES[name].has_data(evidence):
        raise UsageError(f"study {evidence.folder} has nothing to show in the figure {name}")
    return drawn(FIGURES[name], evidence)
