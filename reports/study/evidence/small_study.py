"""What a small study prints: perplexity, speed and memory of each run, from its records and its metrics so far."""

import math
from dataclasses import dataclass
from statistics import fmean

from planners.spec import RunSpec
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Arm, Run
from reports.study.evidence.router_grid import comparable, perplexities_of, varies_router

MEGABYTE = 1e6


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """One run of a small study. Numbers that it does not have yet are null."""

    run: str
    """Its name."""
    final: float | None
    """Perplexity of a token on the validation set after the last step."""
    best: float | None
    """The lowest perplexity of all evaluations."""
    speed: float | None
    """The highest training speed that was reported, tokens per second."""
    memory: float | None
    """The highest memory, MB."""
    improvement: float | None
    """By how much the final perplexity is below that of the baseline, per cent of the baseline."""


def improvement(perplexity: float, baseline: float) -> float:
    """Return by how many per cent of `baseline` a perplexity is lower.

    >>> improvement(8.0, 10.0)
    20.0
    """
    return (baseline - perplexity) / baseline * 100


def summaries(evidence: Evidence) -> tuple[RunSummary, ...]:
    """Return each run that has a record or metrics, of a study that varies the router; none for another study."""
    if not varies_router(evidence):
        return ()
    several = len({run.spec.training.seed for run in evidence.runs}) > 1
    return tuple(
        _summary(evidence, arm, run, several)
        for arm in evidence.arms
        for run in arm.runs
        if run.record or run.tokens or run.evaluations
    )


def _summary(evidence: Evidence, arm: Arm, run: Run, several: bool) -> RunSummary:
    record = run.record
    final = math.exp(record.loss) if record is not None and record.loss is not None else None
    losses = [*run.evaluations, *([] if record is None else [record.loss, record.best_loss])]
    speeds = [*run.speeds, *([] if record is None else [record.tokens_per_s])]
    memory = None if record is None else record.peak_memory_bytes
    baseline = None if arm.is_dense else _baseline(evidence, run.spec)
    best = min((loss for loss in losses if loss is not None), default=None)
    return RunSummary(
        run=f"{arm.label}, seed {run.spec.training.seed}" if several else arm.label,
        final=final,
        best=None if best is None else math.exp(best),
        speed=max((speed for speed in speeds if speed is not None), default=None),
        memory=None if memory is None else memory / MEGABYTE,
        improvement=None if final is None or baseline is None else improvement(final, baseline),
    )


def _baseline(evidence: Evidence, spec: RunSpec) -> float | None:
    """Return the perplexity of the dense run of the same seed, or else the mean over the dense runs there are."""
    dense = [arm for arm in evidence.dense if comparable(arm.spec, spec)]
    own = [
        math.exp(record.loss)
        for arm in dense
        for record in arm.done
        if record.loss is not None and record.spec.training.seed == spec.training.seed
    ]
    found = own or [perplexity for arm in dense for perplexity in perplexities_of(arm)]
    return fmean(found) if found else None
