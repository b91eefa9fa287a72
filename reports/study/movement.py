"""What the fit found beside its curves, in words no stronger than it: does the best rate move, does repetition cost."""

import math
from typing import TYPE_CHECKING

from reports.page.number_text import counted, flops, general, listed, nats, percent, sentence, span
from reports.study.equal_time import UNSTEADY, equal, least_steady, unsteadiness
from reports.study.evidence import Evidence
from reports.study.tables.fit_tables import seen

if TYPE_CHECKING:
    from fits.drift.constancy import Constancy, DriftSlope
    from fits.repeats.reuse import Equivalence


def moves(evidence: Evidence) -> str | None:
    """Return in one sentence whether r_a* moves over budgets and sizes; None where there is only one of each."""
    found = evidence.constancy
    if found is None:
        several = len({round(math.log(series.C), 2) for series in evidence.series}) > 1
        return "Whether it moves with C was not tested: a budget has too few rates or seeds." if several else None
    by = " or ".join(slope.by for slope in found.slopes) or "C"
    from fits.intervals import TEST_LEVEL

    moving = [p < TEST_LEVEL for p in found.sensitivity.values()]
    if moving and all(moving):
        return f"It moves with {by}."
    hangs = ": it hangs on the curve" if any(moving) else ""
    return f"Whether it moves with {by} is not resolved{hangs}."


def movement(found: "Constancy") -> str:
    """Return the test behind `moves`, with the movement that was fitted and what could have been seen."""
    ps = ", ".join(f"{name} p = {p:.2g}" for name, p in found.sensitivity.items())
    slopes = f" Fitted, {'; '.join(map(_slope, found.slopes))}." if found.slopes else ""
    return f"A movement as large, where there is none, has {ps} by the curve of each cell.{slopes} {_power(found)}"


def _slope(slope: "DriftSlope") -> str:
    ends = [general(2)(end) if end is not None else "open" for end in (slope.lo, slope.hi)]
    return f"ln r_a* changes by {general(2)(slope.value)} for one unit of ln {slope.by} (95 %: {ends[0]} to {ends[1]})"


def _power(found: "Constancy") -> str:
    if found.detectable is None:
        return "A move by less than a factor of 20 from the first to the last would mostly be missed."
    factor = f"a factor of {math.exp(found.detectable):.2g}"
    return f"A move by {factor} from the first to the last would be seen in 80 % of such studies."


def common(found: "Constancy") -> str:
    """Return what the rate would be, were it one number."""
    ends = [percent(end) if end is not None else "open" for end in (found.lo, found.hi)]
    return f"Were it one number, it would be {percent(found.value)} (95 % interval {ends[0]} to {ends[1]})."


def in_equal_time(evidence: Evidence) -> str | None:
    """Return what the MoE arms end at in the time that dense takes; None where no two can be compared so."""
    found = equal(evidence)
    if found is None:
        return None
    ends = ", ".join(f"{name} {_beside(*each.less_dense)}" for name, each in found.found.items())
    left = f"; no two budgets of {listed(found.left_out)} span that time" if found.left_out else ""
    return (
        f"In the device-time that the dense arm takes for C = {flops(found.here.C)} FLOPs ({found.hours:.3g} "
        "device-hours), interpolated between budgets, MoE ends beside it, in nats/token (intervals over seeds; drift of"
        f" the machine's speed is in none): {ends}{left}{_disturbed(evidence)}"
    )


def _disturbed(evidence: Evidence) -> str:
    found = least_steady(evidence)
    if found is None or unsteadiness(found[1]) <= UNSTEADY:
        return ""
    return f"; speeds of runs whose steps are alike differ up to {unsteadiness(found[1]):.3g}-fold, so times say little"


def _beside(value: float, half: float | None) -> str:
    """Return a difference as a distance, with its interval turned to the side that it is told from."""
    low, high = (abs(value) - (half or 0.0), abs(value) + (half or 0.0))
    interval = "" if half is None else f" ({nats(low)} to {nats(high)})"
    return f"{nats(abs(value))}{interval} {'above' if value >= 0 else 'below'}"


def reuse_sentences(evidence: Evidence) -> tuple[str, ...]:
    """Return what repeated data lost against fresh data, scheme by scheme, and what the study could have seen."""
    groups = [(found.scheme, found.equivalences[0]) for found in evidence.reuse if found.equivalences]
    several = len(evidence.reuse) > 1
    notes = [
        sentence(f"{found.scheme}: {note}" if several else note) for found in evidence.reuse for note in found.notes
    ]
    return (*(_excess(scheme, one) for scheme, one in groups), *notes)


def _excess(scheme: str, one: "Equivalence") -> str:
    more = "more" if one.excess >= 0 else "less"
    times = f"repeated {span(one.epochs, general(3))} times"
    said = f"Data {times}" if scheme == "repeated" else f"Over {one.of}, data {times} ({scheme})"
    said += f" ends {nats(abs(one.excess))} nats/token {more} than fresh data"
    if one.lo is None or one.hi is None:
        return f"{said} (n = 1: no interval), so nothing is concluded."
    said += f" (95 % interval {nats(one.lo)} to {nats(one.hi)}, n = {counted(one.n, 'difference')}): {one.words}."
    smallest = seen(one)
    if smallest is None:
        return said
    return f"{said} The smallest effect that 80 % of such studies would tell from zero is {smallest:.2g} nats/token."
