"""The tables of what was trained: the result of each arm, each run, their cost and their machines.

Every number comes from the records, from which `runs.csv` is collected too.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from planners.records.quantity import format_quantity
from reports.page.number_text import fixed, flops, percent
from reports.page.table import (
    ARM,
    BPB,
    EPOCHS,
    FLOPS,
    LOSS,
    N_A,
    RATE,
    SEED,
    SEEDS,
    THREE,
    TOKENS_PER_PARAMETER,
    TOP_K,
    D,
    N,
    Row,
    TableSpec,
    number,
    text,
)
from reports.study.evidence import Evidence
from reports.study.evidence.consumption import actual_C


def _results(evidence: Evidence) -> Iterator[Row]:
    for arm in evidence.arms:
        spec, shape = arm.spec, arm.spec.shape
        sizes = (shape.top_k, shape.n_experts, shape.d_expert, shape.d_shared)
        experts = (None,) * len(sizes) if shape.is_dense else sizes
        tokens = (spec.training.D, spec.training.D / spec.N, spec.epochs)
        measured = (arm.mean("loss"), arm.sd("loss"), arm.mean("bpb"), len(arm.done))
        yield arm.label, spec.r_a, *experts, spec.N, spec.N_a, *tokens, *measured


RESULTS = TableSpec(
    title="Results by arm",
    section="Results",
    columns=(
        *(ARM, RATE, TOP_K, number("n_experts", "experts"), number("d_expert"), number("d_shared"), N, N_A, D),
        *(TOKENS_PER_PARAMETER, EPOCHS, LOSS, LOSS.named("loss_sd", "SD"), BPB, SEEDS),
    ),
    rows=_results,
    note="Validation loss and bits per byte are means over the finished seeds of an arm; SD is their standard "
    "deviation, where there are two seeds or more. N counts all parameters except the vocabulary. A dense model has "
    "no experts.",
)


def _runs(evidence: Evidence) -> Iterator[Row]:
    for arm in evidence.arms:
        for run in arm.runs:
            r = run.record
            outcome = (r.loss, r.bpb, r.train_loss, " ".join(r.flags) or None, r.error) if r else (None,) * 5
            where = f"trained elsewhere: {r.environment.device}" if r and r.is_elsewhere else run.state
            yield run.spec.run_id, arm.label, run.spec.training.seed, where, *outcome


RUNS = TableSpec(
    title="Runs",
    section="Results",
    columns=(
        *(text("run_id", "run"), ARM, SEED, text("state"), LOSS, BPB, LOSS.named("train_loss", "train loss")),
        *(text("flags"), text("error")),
    ),
    rows=_runs,
    note="Every planned run. The folder runs/RUN holds its spec, loss curve and record.",
)


def _routing(evidence: Evidence) -> Iterator[Row]:
    for arm in evidence.moe:
        for record in arm.done:
            if (h := record.routing) is not None:
                health = (h.max_load, h.load_cv, h.dead_experts, h.dropped, h.entropy)
                yield arm.label, record.spec.training.seed, *health


ROUTING = TableSpec(
    title="Routing health",
    section="Routing health",
    columns=(
        *(ARM, SEED, number("routing.max_load", "busiest expert", THREE, "× mean")),
        *(number("routing.load_cv", "CV of load", THREE), number("routing.dead_experts", "dead experts")),
        number("routing.dropped", "dropped slots", percent),
        number("routing.entropy", "gate entropy", THREE, "of maximum"),
    ),
    rows=_routing,
    note="At the last evaluation; each number is that of the worst MoE layer. A dead expert gets less than 1 % of the "
    "mean load.",
)


def _cost(evidence: Evidence) -> Iterator[Row]:
    """Yield time, speed and memory of each run that has a record, then the totals."""
    total_wall: float = 0
    total_hours: float = 0
    total_C: float = 0
    for arm in evidence.arms:
        for r in (run.record for run in arm.runs if run.record):
            C, hours = actual_C(r), r.wall_s * r.spec.training.threads / 3600
            speed = (r.tokens_per_s, C, C / r.wall_s if r.wall_s > 0 else None, r.mfu, r.peak_memory_bytes)
            total_wall, total_hours, total_C = total_wall + r.wall_s, total_hours + hours, total_C + C
            yield arm.label, r.spec.training.seed, r.wall_s, hours, *speed
    rate = total_C / total_wall if total_wall > 0 else None
    yield "total", None, total_wall, total_hours, None, total_C, rate, None, None


COST = TableSpec(
    title="Cost",
    section="Cost",
    columns=(
        *(ARM, SEED, number("wall_s", "wall time", fixed(1), "s"), number("hours", "core-hours", THREE)),
        *(number("tokens_per_s", "speed", format_quantity, "tokens/s"), FLOPS),
        *(number("flops_per_s", "C / wall", flops, "FLOP/s"), number("mfu", "MFU", percent)),
        number("peak_memory_bytes", "peak memory", format_quantity, "bytes"),
    ),
    rows=_cost,
    note="Wall time is training and evaluation over all attempts. Core-hours are wall time × CPU threads of the run; "
    "on a GPU with one thread they are device-hours.",
)


def _environment(evidence: Evidence) -> Iterable[Row]:
    """Return each distinct value of each field of the environment, with the number of runs that have it."""
    seen: Counter[tuple[str, Any]] = Counter()
    for record in evidence.records:
        values = asdict(record.environment)
        values |= {"precision": record.spec.training.precision, "threads": record.spec.training.threads}
        seen.update((name, value) for name, value in values.items() if name not in ("started", "ended"))
    order = list(dict.fromkeys(name for name, _ in seen))
    rows = [(name, "unknown" if value is None else str(value), count) for (name, value), count in seen.items()]
    return sorted(rows, key=lambda row: (order.index(row[0]), row[1]))


def _period(evidence: Evidence) -> str:
    first = min(record.environment.started for record in evidence.records)
    last = max(record.environment.ended for record in evidence.records)
    return (
        "Each distinct value, with the number of runs that have it. The first run started at "
        f"{first}, the last ended at {last}."
    )


ENVIRONMENT = TableSpec(
    title="Environment",
    section="Environment",
    columns=(text("field"), text("value"), number("runs")),
    rows=_environment,
    note=_period,
)
