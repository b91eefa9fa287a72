"""Ledger of equality: by how much each run misses what its arm was matched to, against what counts as equal."""

from typing import TYPE_CHECKING

from jobs.record import RunRecord
from planners.matching.tolerance import R_A_TOLERANCE, n_tolerance
from reports.page.figure import Figure
from reports.page.number_text import counted, residual
from reports.study.checks import C_TOLERANCE
from reports.study.consumption import actual_C
from reports.study.evidence import Evidence
from reports.study.figures.rows import Quantity, arms_of, draw_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw(evidence: Evidence, axes: "Axes") -> None:
    """Draw the residuals of N, C and r_a, and the tolerances."""
    draw_rows(arms_of(evidence), quantities(evidence), axes)


def quantities(evidence: Evidence) -> list[Quantity]:
    """Return the residuals with their tolerances, those of the checks."""
    N = max((n_tolerance(arm.spec.target["N"]) for arm in evidence.arms if "N" in arm.spec.target), default=0.0)
    half = max(arm.spec.training.batch_tokens / 2 / arm.spec.training.D for arm in evidence.arms)
    C = max(C_TOLERANCE, half)
    return [
        Quantity(head="N", value=lambda r: _off(r, "N", r.spec.N), write=_short, within=(-N, N)),
        Quantity(head="C", value=lambda r: _off(r, "C", actual_C(r)), write=_short, within=(-C, C)),
        Quantity(
            head="r_a", value=lambda r: _off(r, "r_a", r.spec.r_a), write=_short,
            within=(-R_A_TOLERANCE, R_A_TOLERANCE),
        ),
    ]  # fmt: skip


def _off(record: RunRecord, name: str, actual: float) -> float | None:
    target = record.spec.target.get(name)
    return None if target is None else actual / target - 1


def _short(share: float) -> str:
    return f"{100 * share:+.2g} %".replace("-", "−") if share else "0"


def has_data(evidence: Evidence) -> bool:
    """Whether any run has something it was matched to."""
    return any(
        q.value(record) is not None for q in quantities(evidence) for arm in evidence.arms for record in arm.done
    )


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, with n and source."""
    n = sum(len(arm.done) for arm in evidence.arms)
    return (
        "Relative residual, actual over target less 1, of each run against what its arm was matched to; C is tokens "
        f"seen times FLOPs per token ({evidence.question.flops_convention} convention). Shaded: what counts as equal. "
        f"A control has an N of its own. n = {counted(n, 'run')}, {evidence.source}."
    )


def alt(evidence: Evidence) -> str:
    """Return the figure in words: the worst residual of each quantity."""
    said = []
    for quantity in quantities(evidence):
        values = [v for arm in evidence.arms for record in arm.done if (v := quantity.value(record)) is not None]
        if values:
            said.append(f"{quantity.head} at most {residual(max(values, key=abs))} off")
    return f"Residuals of what the arms were matched to: {', '.join(said)}."


FIGURE = Figure(
    title="Equality of the arms",
    section="Equality of the arms",
    has_data=has_data,
    draw=draw,
    caption=caption,
    alt=alt,
    size=(5.0, 2.6),
)
