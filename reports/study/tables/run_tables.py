"""The tables of a report, each one function of the evidence and one line of TABLES. None: it has nothing to say.

Every number comes from the records at report time, the same from which `runs.csv` is collected.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from planners.records.quantity import format_quantity
from reports.page.number_text import fixed, flops, general, percent, residual, whole
from reports.page.table import Cell, Column, Table
from reports.study import small_study_lines
from reports.study.equal_time import Equal, at_each, hours_of
from reports.study.evidence import Arm, Evidence, mean_of
from reports.study.learning_rates import tuned, tuning
from reports.study.study_checks import actual_C
from reports.study.tables.fit_tables import FITTED

ARM = Column(name="arm", head="arm", text=True)
SEED = Column(name="seed", head="seed")
LOSS = Column(name="loss", head="loss", unit="nats/token", show=fixed(4))
BPB = Column(name="bpb", head="bpb", unit="bits/byte", show=fixed(4))
RATE = Column(name="r_a", head="r_a", show=percent)
D = Column(name="D", head="D", unit="tokens", show=format_quantity)
EPOCHS = Column(name="epochs", head="D/U", unit="epochs", show=general(3))


def results(evidence: Evidence) -> Table:
    """Return loss and bpb of each arm, means over its finished seeds."""
    columns = (
        ARM, RATE, Column(name="top_k", head="K"), Column(name="n_experts", head="experts"),
        Column(name="d_expert", head="d_expert"), Column(name="d_shared", head="d_shared"),
        Column(name="N", head="N", show=format_quantity),
        Column(name="N_a", head="N_a", show=format_quantity), D,
        Column(name="tokens_per_parameter", head="D/N", show=general(3)), EPOCHS, LOSS,
        Column(name="loss_sd", head="SD", unit="nats/token", show=fixed(4)), BPB, Column(name="n", head="seeds"),
    )  # fmt: skip
    note = (
        "Validation loss and bits per byte: mean over the finished seeds of an arm, SD over them where there are two. "
        "N counts all parameters but the vocabulary. A dense model has no experts."
    )
    rows = tuple(_result(arm) for arm in evidence.arms)
    return Table(name="results", title="Results by arm", note=note, columns=columns, rows=rows)


def _result(arm: Arm) -> tuple[Cell, ...]:
    spec, shape = arm.spec, arm.spec.shape
    sizes = (shape.top_k, shape.n_experts, shape.d_expert, shape.d_shared)
    experts = (None,) * len(sizes) if shape.is_dense else sizes
    tokens = (spec.training.D, spec.training.D / spec.N, spec.epochs)
    measured = (arm.mean("loss"), arm.sd("loss"), arm.mean("bpb"), len(arm.done))
    return arm.label, spec.r_a, *experts, spec.N, spec.N_a, *tokens, *measured


def runs(evidence: Evidence) -> Table:
    """Return each planned run with its outcome."""
    columns = (
        Column(name="run_id", head="run", text=True), ARM, SEED,
        Column(name="state", head="state", text=True), LOSS, BPB,
        Column(name="train_loss", head="train loss", unit="nats/token", show=fixed(4)),
        Column(name="flags", head="flags", text=True), Column(name="error", head="error", text=True),
    )  # fmt: skip
    rows = []
    for arm in evidence.arms:
        for run in arm.runs:
            r = run.record
            outcome = (r.loss, r.bpb, r.train_loss, " ".join(r.flags) or None, r.error) if r else (None,) * 5
            rows.append((run.spec.run_id, arm.label, run.spec.training.seed, run.state, *outcome))
    note = "Every planned run; the folder runs/RUN holds its spec, loss curve and record."
    return Table(name="runs", title="Runs", note=note, columns=columns, rows=tuple(rows))


def ledger(evidence: Evidence) -> Table:
    """Return what each arm was matched to and what it got: N, C and r_a, with relative residuals."""
    columns = [ARM]
    for name, show in (("N", whole), ("C", lambda C: f"{C:.5g}".replace("e+", "e")), ("r_a", percent)):
        unit = "FLOPs" if name == "C" else ""
        columns += [
            Column(name=f"{name}_target", head=f"{name} target", unit=unit, show=show),
            Column(name=name, head=f"{name} actual", unit=unit, show=show),
            Column(name=f"{name}_residual", head="residual", show=residual),
        ]
    note = (
        f"C is tokens seen times FLOPs per token ({evidence.question.flops_convention} convention), the mean over the "
        "finished seeds, and what is planned where none is. r_a has a target only where a rate was asked for."
    )
    rows = tuple((arm.label, *(cell for pair in _matched(arm) for cell in pair)) for arm in evidence.arms)
    return Table(name="ledger", title="Ledger of equality", note=note, columns=tuple(columns), rows=rows)


def _matched(arm: Arm) -> list[tuple[Cell, Cell, Cell]]:
    consumed = mean_of(map(actual_C, arm.done))
    actual = {"N": arm.spec.N, "C": arm.spec.C if consumed is None else consumed, "r_a": arm.spec.r_a}
    target = {name: arm.spec.target.get(name) for name in actual}
    return [
        (wanted, actual[name], None if wanted is None else actual[name] / wanted - 1) for name, wanted in target.items()
    ]


def training(evidence: Evidence) -> Table:
    """Return the recipe of each arm in numbers."""
    columns = (
        ARM, Column(name="recipe", head="recipe", text=True), Column(name="lr", head="peak lr", show=general(3)),
        Column(name="lr_floor", head="final lr", show=general(3)),
        Column(name="batch_tokens", head="batch", unit="tokens", show=whole),
        Column(name="steps", head="steps", show=whole),
        Column(name="warmup_steps", head="warm-up", unit="steps", show=whole), D,
        Column(name="U", head="U", unit="tokens", show=format_quantity), EPOCHS,
    )  # fmt: skip
    rows = []
    for arm in evidence.arms:
        t = arm.spec.training
        amounts = (t.batch_tokens, t.steps, t.warmup_steps, t.D, t.U, arm.spec.epochs)
        rows.append((arm.label, arm.spec.recipe, t.lr, t.lr_floor, *amounts))
    t = evidence.arms[0].spec.training
    note = (
        f"AdamW, {t.schedule} schedule, weight decay {t.weight_decay:g}, gradient norm clipped at {t.clip:g}, context "
        f"{t.seq_len} tokens, {t.precision}, as the first arm has them. D: tokens consumed; U: unique among them."
    )
    return Table(name="training", title="Training", note=note, columns=columns, rows=tuple(rows))


def routing(evidence: Evidence) -> Table | None:
    """Return how evenly the experts were used, run by run."""
    columns = (
        ARM, SEED, Column(name="routing.max_load", head="busiest expert", unit="× mean", show=general(3)),
        Column(name="routing.load_cv", head="CV of load", show=general(3)),
        Column(name="routing.dead_experts", head="dead experts"),
        Column(name="routing.dropped", head="dropped slots", show=percent),
        Column(name="routing.entropy", head="gate entropy", unit="of maximum", show=general(3)),
    )  # fmt: skip
    rows = []
    for arm in evidence.moe:
        for record in arm.done:
            if (h := record.routing) is not None:
                health = (h.max_load, h.load_cv, h.dead_experts, h.dropped, h.entropy)
                rows.append((arm.label, record.spec.training.seed, *health))
    note = "Last evaluation, the worst MoE layer of each kind. A dead expert gets under 1 % of the mean load."
    return Table(name="routing", title="Routing health", note=note, columns=columns, rows=tuple(rows)) if rows else None


def cost(evidence: Evidence) -> Table:
    """Return time, speed and memory of each run that has a record, and their totals."""
    columns = (
        ARM, SEED, Column(name="wall_s", head="wall time", unit="s", show=fixed(1)),
        Column(name="hours", head="core-hours", show=general(3)),
        Column(name="tokens_per_s", head="speed", unit="tokens/s", show=format_quantity),
        Column(name="C", head="C", unit="FLOPs", show=flops),
        Column(name="flops_per_s", head="C / wall", unit="FLOP/s", show=flops),
        Column(name="mfu", head="MFU", show=percent),
        Column(name="peak_memory_bytes", head="peak memory", unit="bytes", show=format_quantity),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for arm in evidence.arms:
        for r in (run.record for run in arm.runs if run.record):
            C, hours = actual_C(r), r.wall_s * r.spec.training.threads / 3600
            speed = (r.tokens_per_s, C, C / r.wall_s if r.wall_s > 0 else None, r.mfu, r.peak_memory_bytes)
            rows.append((arm.label, r.spec.training.seed, r.wall_s, hours, *speed))
    wall, hours, C = (sum(row[i] for row in rows) for i in (2, 3, 5))  # type: ignore[misc]
    rows.append(("total", None, wall, hours, None, C, C / wall if wall > 0 else None, None, None))
    note = (
        "Wall time holds training and evaluation over all attempts. Core-hours are wall time × CPU threads of the run; "
        "on a GPU with one thread they are device-hours."
    )
    return Table(name="cost", title="Cost", note=note, columns=columns, rows=tuple(rows))


def device_time(evidence: Evidence) -> Table | None:
    """Return what each arm took of the device beside the dense arm of its budget, and its loss at that arm's time."""
    columns = (
        ARM, RATE, Column(name="C", head="C", unit="FLOPs", show=flops),
        Column(name="device_hours", head="device-hours", show=general(3)),
        Column(name="times_dense", head="over dense", show=fixed(2)), LOSS,
        Column(name="loss_at_time", head="at equal time", unit="nats/token", show=fixed(4)),
        Column(name="less_dense", head="less dense", unit="at equal C", show=fixed(4)),
        Column(name="less_dense_at_time", head="less dense", unit="at equal time", show=fixed(4)),
        Column(name="lo", head="95 % low", show=fixed(4)), Column(name="hi", head="95 % high", show=fixed(4)),
    )  # fmt: skip
    rows = [row for each in at_each(evidence) if not each.here.repeats for row in _in_time(each)]
    note = (
        "Device-hours: wall time with evaluation × devices × CPU threads, mean over seeds, where it was trained. At "
        "equal time: the mean loss of an arm at the device-hours of the dense arm, interpolated, linear in ln time, "
        "between the means of its runs of neighbouring budgets; a dash where none of these take longer, or none less. "
        "Its interval pairs runs by seed where budgets share their seeds; it is that of the losses, the times are "
        "taken as they are."
    )
    return Table(name="time", title="Equal device-time", note=note, columns=columns, rows=tuple(rows)) if rows else None


def _in_time(each: Equal) -> Iterator[tuple[Cell, ...]]:
    """Yield the dense arm of a budget and its MoE arms."""
    level = each.dense.mean("loss")
    for arm in [each.dense, *each.here.moe]:
        taken, loss, then = hours_of(arm), arm.mean("loss"), each.found.get(arm.name)
        at_time: tuple[Cell, ...] = (None, None, None, None)
        if then is not None:
            (value, half), found = then.less_dense, then.loss[0]
            at_time = (found, value, *((None, None) if half is None else (value - half, value + half)))
        elif arm is each.dense:
            at_time = (level, 0.0, None, None)
        gap = None if loss is None or level is None else loss - level
        ratio = None if taken is None else taken / each.hours
        yield arm.label, arm.spec.r_a, each.here.C, taken, ratio, loss, at_time[0], gap, *at_time[1:]


def refused(evidence: Evidence) -> Table | None:
    """Return the cells that could not be planned."""
    columns = (Column(name="cell", head="cell", text=True), Column(name="reason", head="reason", text=True))
    rows = tuple((cell.cell, cell.reason) for cell in evidence.refused)
    note = "Cells that were asked for and cannot be had, with the limit that binds."
    return Table(name="refused", title="Refused", note=note, columns=columns, rows=rows) if rows else None


def environment(evidence: Evidence) -> Table:
    """Return each distinct value of where the runs were trained."""
    columns = (
        Column(name="field", head="field", text=True), Column(name="value", head="value", text=True),
        Column(name="runs", head="runs"),
    )  # fmt: skip
    seen: Counter[tuple[str, Any]] = Counter()
    for record in evidence.records:
        values = asdict(record.environment)
        values |= {"precision": record.spec.training.precision, "threads": record.spec.training.threads}
        seen.update((name, value) for name, value in values.items() if name not in ("started", "ended"))
    order = list(dict.fromkeys(name for name, _ in seen))
    rows = sorted(
        ((name, "unknown" if value is None else str(value), count) for (name, value), count in seen.items()),
        key=lambda row: (order.index(row[0]), row[1]),
    )
    first = min(record.environment.started for record in evidence.records)
    last = max(record.environment.ended for record in evidence.records)
    note = f"Each distinct value with the number of runs that have it. First run started {first}, last ended {last}."
    return Table(name="environment", title="Environment", note=note, columns=columns, rows=tuple(rows))


Build = Callable[[Evidence], Table | None]

TABLES: dict[str, Build] = {
    "results": results,
    "runs": runs,
    "ledger": ledger,
    "training": training,
    "routing": routing,
    "cost": cost,
    "small_study": small_study_lines.small_study,
    "router_grid": small_study_lines.router_grid,
    "tuned": tuned,
    "tuning": tuning,
    **FITTED,
    "time": device_time,
    "refused": refused,
    "environment": environment,
}
"""Name -> table."""


def make_tables(evidence: Evidence) -> dict[str, Table]:
    """Return the tables that have something to say, by name."""
    return {name: table for name, build in TABLES.items() if (table := build(evidence)) is not None}
