"""Whether the optimal rate moves with compute and size, in sentences that claim no more than the test."""

import math

from fits.drift.constancy import Constancy, DriftSlope
from fits.intervals import TEST_LEVEL
from reports.page.number_text import general, percent
from reports.study.evidence import Evidence


def moves(evidence: Evidence) -> str | None:
    """Return in one sentence whether r_a* moves over budgets and sizes; None where there is only one of each."""
    found = evidence.constancy
    if found is None:
        if len({round(math.log(series.C), 2) for series in evidence.series}) < 2:
            return None
        return "Whether the optimal rate moves with C was not tested: a budget has too few rates or seeds."

    by = " or ".join(slope.by for slope in found.slopes) or "C"
    if found.p is None:
        return f"Whether the optimal rate moves with {by} was not tested: {found.withheld}."
    level = TEST_LEVEL / (1 + len(found.slopes))  # the test of one optimum and the trend tests share the level
    trends = [slope.by for slope in found.slopes if slope.p < level]
    if trends:
        return f"The optimal rate moves with {' and '.join(trends)}."
    if found.p < level:
        return f"The optimal rate is not the same everywhere, but shows no trend with {by}."
    return f"Whether the optimal rate moves with {by} is not resolved."


def movement(evidence: Evidence) -> tuple[str, ...]:
    """Return the answer of `moves`, the test behind it, and the rate that fits best if it is constant."""
    found, answer = evidence.constancy, moves(evidence)
    tested = () if found is None or found.value is None else (_test(found), _constant(found, found.value))
    return tuple(text for text in (answer, *tested) if text)


def _test(found: Constancy) -> str:
    slopes = f" Fitted: {'; '.join(map(gradient_text, found.slopes))}." if found.slopes else ""
    return (
        f"The test of a constant rate, which assumes {found.basis} in each cell, gives p = {found.p:.2g}.{slopes} "
        f"{_power(found)}"
    )


def gradient_text(slope: DriftSlope) -> str:
    """Return the fitted gradient of the optimal rate, with its interval."""
    ends = [general(2)(end) if end is not None else "open" for end in (slope.lo, slope.hi)]
    interval = f"95 %: {ends[0]} to {ends[1]}; trend test p = {slope.p:.2g}"
    return f"ln r_a* changes by {general(2)(slope.value)} for one unit of ln {slope.by} ({interval})"


def _power(found: Constancy) -> str:
    if found.detectable is None:
        return "Such a study would mostly miss any movement within the sampled rates."
    factor = f"a factor of {math.exp(found.detectable):.2g}"
    return f"80 % of such studies would see a movement by {factor} from the first to the last."


def _constant(found: Constancy, value: float) -> str:
    ends = [percent(end) if end is not None else "open" for end in (found.lo, found.hi)]
    return f"If the rate is constant, it is {percent(value)} (95 % interval {ends[0]} to {ends[1]})."
