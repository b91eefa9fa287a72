"""Cost: device-hours of each run, its speed, and its model FLOPs utilisation."""

from jobs.record import RunRecord
from reports.page.figure import Axes, Figure
from reports.page.number_text import counted, flops, percent
from reports.study.evidence import Evidence
from reports.study.evidence.consumption import actual_C, hours
from reports.study.figures.dot_plot import Quantity, arms_of, draw_dots


def _speed(record: RunRecord) -> float | None:
    taken = hours(record)
    return actual_C(record) / (3600 * taken) if taken else None


QUANTITIES = (
    Quantity(head="device-hours", value=hours, write=lambda h: f"{h:.3g}", from_zero=True),
    Quantity(
        head="C / device-second\nFLOP/s",
        value=_speed,
        write=lambda speed: flops(speed) if speed else "0",
        from_zero=True,
    ),
    Quantity(head="MFU", value=lambda record: record.mfu, write=percent, from_zero=True),
)


def draw(evidence: Evidence, axes: Axes) -> None:
    """Draw hours, speed and utilisation of each finished run."""
    draw_dots(arms_of(evidence), QUANTITIES, axes)


def has_data(evidence: Evidence) -> bool:
    """Return whether any finished run has a measured time."""
    return any(hours(record) is not None for arm in evidence.arms for record in arm.done)


def caption(evidence: Evidence) -> str:
    """Return what the figure shows, with the total, n and source."""
    taken = [h for arm in evidence.arms for record in arm.done if (h := hours(record)) is not None]
    return (
        "Device-hours of each finished run (wall time with evaluation × devices × CPU threads) and the FLOPs of its "
        f"budget ({evidence.question.flops_convention} convention) per device-second. Where this is lower, equal C "
        f"takes more time. {sum(taken):.3g} device-hours in all, n = {counted(len(taken), 'run')}, {evidence.source}."
    )


def alt(evidence: Evidence) -> str:
    """Return the figure in words, arm by arm."""
    said = []
    for arm in arms_of(evidence):
        taken = [h for record in arm.done if (h := hours(record)) is not None]
        if taken:
            said.append(f"{arm.label} {sum(taken) / len(taken):.3g}")
    return f"Device-hours per run, mean of each arm: {'; '.join(said)}."


FIGURE = Figure(title="Cost", section="Cost", has_data=has_data, draw=draw, caption=caption, alt=alt, size=(5.0, 2.6))
