"""The record of a run that has ended."""

import math
from dataclasses import dataclass

import torch

from jobs.execution import Execution
from jobs.record import DROPPED, IMBALANCED, RunRecord
from jobs.training.device.environment import environment, peak_flops
from jobs.training.evaluate import Evaluation
from jobs.training.run_progress import Progress
from planners.architecture.shape import FFN_MATRICES
from planners.spec import RunSpec


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A run that has ended, as far as its record describes it."""

    spec: RunSpec
    """The plan of the run."""
    progress: Progress
    """Its steps, times and flags."""
    execution: Execution
    """How it was carried out, without open settings."""
    device: torch.device
    """Device of this process."""

    @property
    def D_seen(self) -> int:
        """Tokens consumed."""
        return self.progress.step * self.spec.training.batch_tokens


def done(
    run: Ended,
    measured: Evaluation,
    *,
    bytes_per_token: float | None,
    peak_memory_bytes: int | None,
    left_out: dict[str, int],
) -> RunRecord:
    """Return the record of a finished run; `bytes_per_token` is None if its loss is not that of a text."""
    progress, health = run.progress, measured.routing
    flags = list(progress.flags)
    if health:
        flags += ["dead_experts"] if health.dead_experts else []
        flags += ["imbalanced"] if health.max_load > IMBALANCED else []
        flags += ["dropped_slots"] if health.dropped > DROPPED else []
    flags += ["below_floor"] if measured.below_floor else []
    speed = progress.speed(run.D_seen)
    finite = measured.loss < 700  # exp of a larger loss overflows
    return RunRecord(
        spec=run.spec,
        state="done",
        loss=measured.loss,
        bpb=measured.loss / math.log(2) / bytes_per_token if bytes_per_token else None,
        perplexity=math.exp(measured.loss) if bytes_per_token and finite else None,
        best_loss=progress.best_loss,
        best_step=progress.best_step,
        train_loss=progress.train_loss(progress.step / 10),
        D_seen=run.D_seen,
        wall_s=progress.wall_s + progress.evaluation_s,
        tokens_per_s=speed,
        mfu=mfu(run.spec, run.execution.devices, run.device, speed),
        peak_memory_bytes=peak_memory_bytes,
        routing=health,
        domains=measured.domains,
        tasks=measured.tasks,
        until=until(run),
        spent=spent(run),
        execution=run.execution,
        environment=environment(run.device, progress.started, progress.sources),
        left_out=left_out,
        flags=tuple(flags),
    )


def until(run: Ended) -> dict[str, float]:
    """Return what the run needed until exact matches passed their levels, in tokens, FLOPs and seconds."""
    spec, found = run.spec, dict(run.progress.until)
    if not run.progress.exact_match and spec.training.objective == "next_token":
        return {}
    for level in ("50", "90"):
        if (D := found.get(f"tokens_{level}")) is not None:
            found[f"flops_{level}"] = D * spec.flops_per_token[spec.flops_convention]
            found[f"seconds_{level}"] = D / run.progress.speed(run.D_seen)
    return found


def spent(run: Ended) -> dict[str, float]:
    """Return C as it was spent under top-p routing, and the mean experts of a token in each MoE layer."""
    if run.spec.router.top_p is None:
        return {}
    shape, D = run.spec.shape, run.D_seen
    idle = shape.top_k * D * len(run.progress.slots) - sum(run.progress.slots)
    cost = 6 * FFN_MATRICES[shape.ffn] * shape.d_model * shape.d_expert
    experts = {f"experts.{layer}": slots / D for layer, slots in enumerate(run.progress.slots, 1)}
    return {"C": D * run.spec.flops_per_token[run.spec.flops_convention] - idle * cost, **experts}


def diverged(run: Ended, flag: str, reason: str) -> RunRecord:
    """Return the record of a run whose loss was not finite or exploded; `flag` says which."""
    run.progress.flag(flag)
    return RunRecord(
        spec=run.spec,
        state="diverged",
        D_seen=run.D_seen,
        wall_s=run.progress.wall_s + run.progress.evaluation_s,
        execution=run.execution,
        environment=environment(run.device, run.progress.started, run.progress.sources),
        flags=tuple(run.progress.flags),
        error=reason,
        failure="diverged",
    )


def mfu(spec: RunSpec, devices: int, device: torch.device, tokens_per_s: float) -> float | None:
    """Return the model FLOPs utilisation: FLOP/s under the run's convention over the peak of all its devices.

    None if the peak of the device is unknown.
    """
    peak = peak_flops(device, spec.training.precision)
    return tokens_per_s * spec.flops_per_token[spec.flops_convention] / (peak * devices) if peak else None
