"""Equality of the arms: the relative difference of each run from its targets, against the tolerances."""

from collections.abc import Callable
from functools import partial

from jobs.record import RunRecord
from reports.page.figure import Axes, Figure
from reports.page.number_text import counted, residual
from reports.study.evidence import Evidence
from reports.study.evidence.consumption import actual_C
from reports.study.figures.dot_plot import Quantity, arms_of, draw_dots
from reports.study.study_checks import tolerances


def draw(evidence: Evidence, axes: Axes) -> None:
    """Draw the relative differences of N, C and r_a, and the tolerances."""
    draw_dots(arms_of(evidence), quantities(evidence), axes)


def quantities(evidence: Evidence) -> list[Quantity]:
    """Return the relative differences with their tolerances, which are those of the checks."""
    actual: dict[str, Callable[[RunRecord], float]] = {
        "N": lambda record: record.spec.N,
        "C": actual_C,
        "r_a": lambda record: record.spec.r_a,
    }
    within = tolerances(evidence)
    return [
        Quantity(head=name, value=partial(_off, name, of), write=_short, within=(-within[name], within[name]))
        for name, of in actual.items()
    ]


def _off(name: str, actual: Callable[[RunRecord], float], record: RunRecord) -> float | None:
    target = record.spec.target.get(name)
    return None if target is None else actual(record) / target - 1


def _short(share: float) -> str:
    return f"{100 * share:+.2g} %".replace("-", "−") if share else "0"


def has_data(evidence: Evidence) -> bool:
    """Return whether any run has a target."""
    return any(
        q.value(record) is not None for q in quantities(evidence) for arm in evidence.arms for record in arm.done
    )


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, with n and source."""
    n = sum(len(arm.done) for arm in evidence.arms)
    return (
        "Relative difference of each run from the target of its arm, actual over target less 1. C is tokens seen times "
        f"FLOPs per token ({evidence.question.flops_convention} convention). Shaded: differences that count as equal. "
        f"A control has no target of N. n = {counted(n, 'run')}, {evidence.source}."
    )


def alt(evidence: Evidence) -> str:
    """Return the figure in words: the largest difference of each quantity."""
    said = []
    for quantity in quantities(evidence):
        values = [v for arm in evidence.arms for record in arm.done if (v := quantity.value(record)) is not None]
        if values:
            said.append(f"{quantity.head} at most {residual(max(values, key=abs))} off")
    return f"Differences of the runs from their targets: {', '.join(said)}."


FIGURE = Figure(
    title="Equality of the arms",
    section="Equality of the arms",
    has_data=has_data,
    draw=draw,
    caption=caption,
    alt=alt,
    size=(5.0, 2.6),
)
