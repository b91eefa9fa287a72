"""Routing health: how evenly the experts of each MoE run were used at its last evaluation."""

from jobs.record import IMBALANCED
from reports.page.figure import Axes, Figure
from reports.page.number_text import counted, percent, span
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Arm
from reports.study.figures.dot_plot import Quantity, arms_of, draw_dots

QUANTITIES = (
    Quantity(
        head="busiest expert\n× mean load",
        value=lambda r: r.routing.max_load if r.routing else None,
        within=(1.0, IMBALANCED),
    ),
    Quantity(
        head="dead experts", value=lambda r: float(r.routing.dead_experts) if r.routing else None, within=(-0.25, 0.25)
    ),
    Quantity(head="gate entropy\nof maximum", value=lambda r: r.routing.entropy if r.routing else None, write=percent),
)


def draw(evidence: Evidence, axes: Axes) -> None:
    """Draw load, dead experts and gate entropy of each MoE run."""
    draw_dots(_routed(evidence), QUANTITIES, axes)


def _routed(evidence: Evidence) -> list[Arm]:
    return [arm for arm in arms_of(evidence) if any(record.routing for record in arm.done)]


def has_data(evidence: Evidence) -> bool:
    """Return whether any run recorded how its experts were used."""
    return bool(_routed(evidence))


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, with n and source."""
    n = sum(1 for arm in _routed(evidence) for record in arm.done if record.routing)
    return (
        f"Last evaluation of each run; each number is that of the worst MoE layer. Shaded: at most {IMBALANCED:g} "
        "times the mean load on the busiest expert, and no dead expert (less than 1 % of the mean load). Gate "
        f"entropy is 100 % where all experts are equally likely. n = {counted(n, 'run')}, {evidence.source}."
    )


def alt(evidence: Evidence) -> str:
    """Return the figure in words."""
    health = [record.routing for arm in _routed(evidence) for record in arm.done if record.routing]
    loads, dead = span((h.max_load for h in health), lambda load: f"{load:.3g}"), sum(h.dead_experts for h in health)
    return f"Routing health by arm: busiest expert {loads} times the mean load, {counted(dead, 'dead expert')} in all."


FIGURE = Figure(
    title="Routing health",
    section="Routing health",
    has_data=has_data,
    draw=draw,
    caption=caption,
    alt=alt,
    size=(5.0, 2.6),
)
