"""The record of a run that ended, from the loop that trained it."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from jobs.execution import Execution
from jobs.record import IMBALANCED, RunRecord
from jobs.training.device.environment import environment, peak_flops, peak_memory
from jobs.training.evaluate import Evaluation

if TYPE_CHECKING:
    from jobs.training.loop import Loop


def ended(loop: "Loop", measured: Evaluation, *, knows_peak: bool) -> RunRecord:
    """Return the record of a finished run."""
    loop.note_execution()
    spec, progress, health = loop.spec, loop.progress, measured.routing
    flags = list(progress.flags)
    if health:
        flags += ["dead_experts"] if health.dead_experts else []
        flags += ["imbalanced"] if health.max_load > IMBALANCED else []
    flags += ["below_floor"] if measured.below_floor else []
    speed = progress.speed(loop.D_seen)
    return RunRecord(
        spec=spec,
        state="done",
        loss=measured.loss,
        bpb=measured.loss / math.log(2) / loop.corpus.bytes_per_token,
        perplexity=math.exp(measured.loss) if measured.loss < 700 else None,  # beyond, no float holds it
        best_loss=progress.best_loss,
        best_step=progress.best_step,
        train_loss=progress.train_loss(progress.step / 10),
        D_seen=loop.D_seen,
        wall_s=progress.wall_s + progress.evaluation_s,
        tokens_per_s=speed,
        mfu=mfu(loop, speed),
        peak_memory_bytes=peak_memory(loop.ranks.device) if knows_peak else None,
        routing=health,
        domains=measured.domains,
        execution=executed(loop),
        environment=environment(loop.ranks.device, progress.started),
        flags=tuple(flags),
    )


def diverged(loop: "Loop", flag: str, reason: str) -> RunRecord:
    """Return the record of a run whose loss is no number, or exploded."""
    loop.note_execution()
    loop.progress.flag(flag)
    return RunRecord(
        spec=loop.spec,
        state="diverged",
        D_seen=loop.D_seen,
        wall_s=loop.progress.wall_s + loop.progress.evaluation_s,
        execution=executed(loop),
        environment=environment(loop.ranks.device, loop.progress.started),
        flags=tuple(loop.progress.flags),
        error=reason,
        failure="diverged",
    )


def mfu(loop: "Loop", tokens_per_s: float) -> float | None:
    """Return the share of all devices' peak by M of the stored convention, or None where the peak is unknown."""
    peak = peak_flops(loop.ranks.device, loop.spec.training.precision)
    M = loop.spec.flops_per_token[loop.spec.flops_convention]
    return tokens_per_s * M / (peak * loop.ranks.size) if peak else None


def executed(loop: "Loop") -> Execution:
    """Return how the run was carried out, with what was left open filled in."""
    return replace(loop.execution, micro_batch=loop.stepper.micro_batch, compile=loop.stepper.compiled)
