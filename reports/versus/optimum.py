"""Where the loss is lowest in both studies, and whether the optimum moved."""

import math
from dataclasses import dataclass

from fits.intervals import ratio_interval
from fits.runs.same_budget import same_budget
from reports.page.number_text import general
from reports.study.evidence.arms import Series
from reports.versus.compare import Versus

RATIO = general(3)
"""Writes a ratio."""


@dataclass(frozen=True, kw_only=True)
class MatchedSeries:
    """A series of A and its counterpart in B."""

    a: Series
    """The series of A."""
    b: Series
    """The series of B."""

    @property
    def ratio(self) -> tuple[float, float, float] | None:
        """r_a* of B over that of A with its 95 % interval; null where one of the two has no optimum."""
        a, b = optimum_of(self.a), optimum_of(self.b)
        return None if a is None or b is None else ratio_interval(a, b)

    @property
    def verdict(self) -> str:
        """Whether the two optima differ."""
        if self.ratio is None:
            return "not in both an optimum"
        _, low, high = self.ratio
        return "differ" if low > 1 or high < 1 else "not told apart"


def matched_series(found: Versus) -> list[MatchedSeries]:
    """Return the series that both studies have: C and N equal, and data repeated in both or in neither."""
    pairs, left = [], list(found.b.series)
    for a in found.a.series:
        fitting = [b for b in left if same_budget(a.C, b.C) and same_budget(a.N, b.N) and a.repeats == b.repeats]
        if fitting:
            left.remove(fitting[0])
            pairs.append(MatchedSeries(a=a, b=fitting[0]))
    return pairs


def optimum_of(series: Series) -> tuple[float, float | None, float | None] | None:
    """Return r_a* of a series and the ends of its interval; None without an optimum."""
    best = series.fit.optimum if series.fit else None
    return None if best is None or best.value is None else (best.value, best.lo, best.hi)


def finite(end: float) -> float | None:
    """Return an end of the interval of a ratio; None where it is open, 0 or infinite."""
    return end if 0 < end < math.inf else None


def optimum_sentence(found: Versus) -> str:
    """Return whether r_a* differs between the two studies."""
    pairs = matched_series(found)
    if not pairs:
        return "No series of the two studies has equal C and N, so the optima are not compared."
    placed = [pair for pair in pairs if pair.ratio]
    if not placed:
        return "No series has an optimum in both studies, so whether r_a* moved is unknown."
    return " ".join(_moved(pair, several=len(placed) > 1) for pair in placed)


def _moved(pair: MatchedSeries, *, several: bool) -> str:
    assert pair.ratio is not None
    value, low, high = pair.ratio
    where = f"At {pair.a.heading}: " if several else ""
    ends = f"{RATIO(low) if low > 0 else 'no lower end'} to {RATIO(high) if high < math.inf else 'no upper end'}"
    verdict = "so the two differ" if pair.verdict == "differ" else "so the two do not differ significantly"
    return f"{where}r_a* of B is {RATIO(value)} times r_a* of A (95 % interval {ends}), {verdict}."
