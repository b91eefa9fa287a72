"""The table of equal device-time: the time of each arm relative to dense, and its loss in the time of the dense arm."""

from collections.abc import Iterator

from reports.page.number_text import fixed
from reports.page.table import ARM, FLOPS, LOSS, RATE, THREE, Cell, Row, TableSpec, interval, number
from reports.study.evidence import Evidence
from reports.study.evidence.consumption import hours_of
from reports.study.evidence.equal_time import EqualTime, at_each


def _equal_time(evidence: Evidence) -> Iterator[Row]:
    for each in at_each(evidence):
        if not each.here.repeats:
            yield from _in_time(each)


def _in_time(each: EqualTime) -> Iterator[Row]:
    """Yield the dense arm of a budget, then its MoE arms."""
    level = each.dense.mean("loss")
    for arm in [each.dense, *each.here.moe]:
        taken, loss, then = hours_of(arm), arm.mean("loss"), each.found.get(arm.name)
        at_time: tuple[Cell, ...] = (None, None, None, None)
        if then is not None:
            (value, half), found = then.less_dense, then.loss[0]
            at_time = (found, value, *((None, None) if half is None else (value - half, value + half)))
        elif arm is each.dense:
            at_time = (level, 0.0, None, None)
        gap = None if loss is None or level is None else loss - level
        ratio = None if taken is None else taken / each.hours
        yield arm.label, arm.spec.r_a, each.here.C, taken, ratio, loss, at_time[0], gap, *at_time[1:]


EQUAL_TIME = TableSpec(
    title="Equal device-time",
    section="Equal device-time",
    columns=(
        *(
            ARM,
            RATE,
            FLOPS,
            number("device_hours", "device-hours", THREE),
            number("times_dense", "over dense", fixed(2)),
            LOSS,
        ),
        LOSS.named("loss_at_time", "at equal time"),
        LOSS.named("less_dense", "less dense", "at equal C"),
        LOSS.named("less_dense_at_time", "less dense", "at equal time"),
        *interval("", fixed(4)),
    ),
    rows=_equal_time,
    note="Device-hours: wall time with evaluation × devices × CPU threads, mean over seeds, on the machine that "
    "trained. At equal time: the mean loss of an arm at the device-hours of the dense arm, interpolated linearly in "
    "ln time between its runs of neighbouring budgets. A dash: no two budgets of the arm enclose that time. The "
    "interval covers the noise of the losses and takes the times as exact; it pairs runs by seed where budgets share "
    "their seeds.",
)
