"""What arms end at in equal device-time: between its budgets the mean loss of an arm, at the time that dense takes.

A run cut off early is no run of less compute: its learning rate has not come down. So the loss of an arm at a given
time is interpolated between its runs of two budgets, each trained to its own end, and never taken from a loss curve.
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from jobs.record import RunRecord
from reports.study.arm_series import Series
from reports.study.evidence import Arm, Evidence

Sum = tuple[float, float | None]
"""A sum of weighted mean losses, nats per token, and half its 95 % interval; null where an arm has one seed."""

UNSTEADY = 1.25
"""Ratio of the highest to the lowest speed of runs whose steps are alike above which times are said to be disturbed."""


@dataclass(frozen=True, kw_only=True)
class AtTime:
    """A MoE arm at the time that the dense arm takes."""

    arm: Arm
    """The arm, as it is at equal C."""
    loss: Sum
    """Its loss, interpolated."""
    less_dense: Sum
    """That less the mean loss of the dense arm."""


@dataclass(frozen=True, kw_only=True)
class Equal:
    """The arms of one size and reuse at equal C, and at the time that the dense arm takes for it."""

    series: tuple[Series, ...]
    """The budgets, rising."""
    at: int
    """Which of them is the equal C."""

    @property
    def here(self) -> Series:
        """The arms at equal C."""
        return self.series[self.at]

    @property
    def dense(self) -> Arm:
        """The dense arm there."""
        return self.here.dense[0]

    @cached_property
    def hours(self) -> float:
        """Device-hours of the dense arm there, mean over its seeds."""
        return hours_of(self.dense) or math.nan

    @cached_property
    def found(self) -> dict[str, AtTime]:
        """Each MoE arm whose budgets span that time, by name."""
        return {arm.name: found for arm in self.here.moe if (found := self._at_time(arm)) is not None}

    @property
    def left_out(self) -> list[str]:
        """MoE arms that take less, or more, than that time at every budget."""
        return [arm.name for arm in self.here.moe if arm.name not in self.found]

    def _at_time(self, arm: Arm) -> AtTime | None:
        """Return the arm at that time, linear in ln time between its budgets; None outside them."""
        from fits.compare.equal_time import log_weights, weighted_loss

        same = [each for one in self.series for each in one.moe if each.name == arm.name]
        timed = sorted(((taken, each) for each in same if (taken := hours_of(each))), key=lambda pair: pair[0])
        found = log_weights([taken for taken, _ in timed], self.hours)
        if found is None:
            return None
        at, share = found
        parts = [(1 - share, losses_by_seed(timed[at][1])), (share, losses_by_seed(timed[at + 1][1]))]
        less_dense = weighted_loss([*parts, (-1.0, losses_by_seed(self.dense))])
        return AtTime(arm=arm, loss=weighted_loss(parts), less_dense=less_dense)


def hours(record: RunRecord) -> float | None:
    """Return the device-hours of a run: wall time times its devices, or its CPU threads; None without a time."""
    devices = record.execution.devices_of_run if record.execution else 1
    return record.wall_s * devices * record.spec.training.threads / 3600 if record.wall_s > 0 else None


def hours_of(arm: Arm) -> float | None:
    """Return the mean device-hours of the finished runs of an arm; None where one has no time."""
    taken = [hours(record) for record in arm.done]
    known = [each for each in taken if each is not None]
    return fmean(known) if known and len(known) == len(taken) else None


def losses_by_seed(arm: Arm) -> dict[int, float]:
    """Return the final loss of each finished run of an arm, by seed."""
    return {r.spec.training.seed: r.loss or math.nan for r in arm.done}


def at_each(evidence: Evidence) -> list[Equal]:
    """Return every budget of a timed dense arm, beside those of the same size and reuse."""
    timed = [one for one in evidence.series if one.dense and hours_of(one.dense[0])]
    found = []
    for one in timed:
        same = [each for each in timed if (round(each.N, -2), each.repeats) == (round(one.N, -2), one.repeats)]
        series = tuple(sorted(same, key=lambda each: each.C))
        found.append(Equal(series=series, at=series.index(one)))
    return found


def equal(evidence: Evidence) -> Equal | None:
    """Return the budget at which most arms can be compared at equal time, the largest of those; None where two cannot.

    Of several sizes or kinds of reuse it is of the first.
    """
    found = at_each(evidence)
    first = [each for each in found if each.series == found[0].series]
    best = max(first, key=lambda each: (len(each.found), each.here.C), default=None)
    return best if best is not None and len(best.found) > 1 else None


def least_steady(evidence: Evidence) -> tuple[str, list[float]] | None:
    """Return the arm whose runs differ most in speed where their steps are alike, and their tokens/s; None without two.

    Steps are alike over seeds, and over budgets of the same batch; an hour in which a machine was slow shows in both.
    """
    speeds = defaultdict(list)
    for arm in evidence.arms:
        training = arm.spec.training
        for record in arm.done:
            if record.tokens_per_s:  # of training alone: an evaluation weighs more in a short run
                step = (arm.spec.shape, training.batch_tokens, training.seq_len, record.execution)
                speeds[arm.name, *step, record.environment.device].append(record.tokens_per_s)
    several = [(name, found) for (name, *_), found in speeds.items() if len(found) > 1]
    return max(several, key=lambda each: unsteadiness(each[1]), default=None)


def unsteadiness(speeds: list[float]) -> float:
    """Return the ratio of the highest to the lowest speed."""
    return max(speeds) / min(speeds)
