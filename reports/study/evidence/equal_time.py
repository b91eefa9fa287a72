"""The arms at equal device-time: the loss of each MoE arm in the time that the dense arm takes.

A run that is cut off early is not a run of less compute, because its learning rate has not decayed. The loss of an arm
at a given time is therefore interpolated between its runs of two budgets, never read from a loss curve.
"""

import math
from dataclasses import dataclass
from functools import cached_property

from fits.compare.equal_time import log_weights, weighted_loss
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Arm, Series
from reports.study.evidence.consumption import hours_of

Sum = tuple[float, float | None]
"""A sum of weighted mean losses, nats per token, and half its 95 % interval; null where an arm has one seed."""


@dataclass(frozen=True, kw_only=True)
class ArmAtTime:
    """A MoE arm at the time that the dense arm takes."""

    arm: Arm
    """The arm at equal C."""
    loss: Sum
    """Its loss at that time, interpolated."""
    less_dense: Sum
    """This loss less the mean loss of the dense arm."""


@dataclass(frozen=True, kw_only=True)
class EqualTime:
    """The arms of one size and reuse at equal C, and at the time that the dense arm takes for it."""

    series: tuple[Series, ...]
    """The budgets, ascending."""
    at: int
    """Index of the budget that is the equal C."""

    @property
    def here(self) -> Series:
        """The arms at equal C."""
        return self.series[self.at]

    @property
    def dense(self) -> Arm:
        """The dense arm at equal C."""
        return self.here.dense[0]

    @cached_property
    def hours(self) -> float:
        """Device-hours of the dense arm at equal C, mean over its seeds."""
        return hours_of(self.dense) or math.nan

    @cached_property
    def found(self) -> dict[str, ArmAtTime]:
        """Each MoE arm whose budgets enclose that time, by name."""
        return {arm.name: found for arm in self.here.moe if (found := self._at_time(arm)) is not None}

    @property
    def left_out(self) -> list[str]:
        """MoE arms that take less, or more, than that time at every budget."""
        return [arm.name for arm in self.here.moe if arm.name not in self.found]

    def _at_time(self, arm: Arm) -> ArmAtTime | None:
        """Return the arm at that time, linear in ln time between its budgets; None outside them."""
        same = [each for one in self.series for each in one.moe if each.name == arm.name]
        timed = sorted(((taken, each) for each in same if (taken := hours_of(each))), key=lambda pair: pair[0])
        found = log_weights([taken for taken, _ in timed], self.hours)
        if found is None:
            return None
        at, share = found
        parts = [(1 - share, _losses_by_seed(timed[at][1])), (share, _losses_by_seed(timed[at + 1][1]))]
        less_dense = weighted_loss([*parts, (-1.0, _losses_by_seed(self.dense))])
        return ArmAtTime(arm=arm, loss=weighted_loss(parts), less_dense=less_dense)


def _losses_by_seed(arm: Arm) -> dict[int, float]:
    """Return the final loss of each finished run of an arm, by seed."""
    return {r.spec.training.seed: r.loss or math.nan for r in arm.done}


def at_each(evidence: Evidence) -> list[EqualTime]:
    """Return every budget with a timed dense arm, together with the budgets of the same size and reuse."""
    timed = [one for one in evidence.series if one.dense and hours_of(one.dense[0])]
    found = []
    for one in timed:
        same = [each for each in timed if (round(each.N, -2), each.repeats) == (round(one.N, -2), one.repeats)]
        series = tuple(sorted(same, key=lambda each: each.C))
        found.append(EqualTime(series=series, at=series.index(one)))
    return found


def equal_time(evidence: Evidence) -> EqualTime | None:
    """Return the budget at which most arms can be compared at equal time, the largest of those. None below two arms.

    Where there are several sizes, or fresh and repeated data, only the first of them is looked at.
    """
    found = at_each(evidence)
    first = [each for each in found if each.series == found[0].series]
    best = max(first, key=lambda each: (len(each.found), each.here.C), default=None)
    return best if best is not None and len(best.found) > 1 else None
