"""What runs consumed: FLOPs, device-hours, and how steady their speed was."""

from collections import defaultdict
from statistics import fmean

from jobs.record import RunRecord
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Arm

UNSTEADY = 1.25
"""Runs whose steps are alike and whose speeds differ by a larger factor were disturbed, so their times say little."""


def actual_C(record: RunRecord) -> float:
    """Return the compute that a run consumed, FLOPs: tokens seen times FLOPs per token."""
    return record.D_seen * record.spec.flops_per_token[record.spec.flops_convention]


def hours(record: RunRecord) -> float | None:
    """Return the device-hours of a run: wall time × devices × CPU threads. None without a measured time."""
    devices = record.execution.devices_of_run if record.execution else 1
    return record.wall_s * devices * record.spec.training.threads / 3600 if record.wall_s > 0 else None


def hours_of(arm: Arm) -> float | None:
    """Return the mean device-hours of the finished runs of an arm; None where one of them has no time."""
    taken = [hours(record) for record in arm.done]
    known = [each for each in taken if each is not None]
    return fmean(known) if known and len(known) == len(taken) else None


def least_steady(evidence: Evidence) -> tuple[str, list[float]] | None:
    """Return the arm whose runs with equal steps differ most in speed, and their tokens/s. None without two such runs.

    Steps are equal between seeds, and between budgets of the same batch. A slow hour of a machine shows in both.
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
