"""What a run left behind: `record.json`, written once when it ends, and `runs.csv`, the table of all of them."""

import csv
import io
from dataclasses import dataclass, field
from typing import Any

from jobs.execution import Execution
from planners.records.errors import UsageError, warn
from planners.records.files import read_json, write_json, write_text
from planners.records.json import from_json, to_json
from planners.spec import RunSpec
from planners.study import Study

FINAL = ("done", "diverged")
"""States that a sweep does not train again; `failed` is trained again when asked."""
STATES = (*FINAL, "failed")
IMBALANCED = 4.0
"""A busiest expert above this many mean loads is flagged."""
NESTED = ("routing", "data", "execution")
SHAPE_PROPERTIES = ("total", "active", "A_e", "mu", "zeta", "granularity")


@dataclass(frozen=True, kw_only=True)
class RoutingHealth:
    """How evenly the last evaluation loaded the experts, the worst MoE layer of each kind."""

    max_load: float
    """Load of the busiest expert over the mean load, accumulated over the whole evaluation."""
    load_cv: float
    """Standard deviation of the load over its mean."""
    dead_experts: int
    """Experts, over all layers, with less than 1 % of the mean load."""
    entropy: float
    """Entropy of the router's gates over the logarithm of n_experts, 1 where it does not choose; the lowest layer."""
    dropped: float
    """Share of routed slots that a capacity factor dropped, over the whole training."""


@dataclass(frozen=True, kw_only=True)
class DomainLoss:
    """Validation loss on one domain of the corpus."""

    loss: float
    """Nats per token."""
    bpb: float | None
    """The same in bits per byte of text; of generated tokens, bits per token. Null if the loss is not a likelihood."""
    tokens: int
    """Tokens it was measured on."""
    se: float | None = None
    """Standard error of the loss over the windows of this validation sample; null for a single window."""
    floor: float | None = None
    """Entropy of the domain, which no model can go below; null where it is not known, as for text."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where a run was trained."""

    version: str
    """Version of this toolkit."""
    commit: str | None
    """Commit of its sources, with + where they were changed; null where unknown."""
    code: str | None = None
    """Hash of the sources that it ran (`jobs.snapshot`); null in records of before it was kept."""
    python: str
    """Version of Python."""
    torch: str
    """Version of torch."""
    device: str
    """Processor or GPU by name."""
    host: str
    """Name of the machine."""
    started: str
    """When the run was first started, UTC."""
    ended: str
    """When it ended, UTC."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The outcome of one run. In `record.json` its fields stand beside those of the spec."""

    spec: RunSpec
    """What was asked for."""
    state: str
    """done, failed or diverged."""
    loss: float | None = None
    """Validation loss after the last step, nats per token; null unless done."""
    bpb: float | None = None
    """The same in bits per byte of text."""
    perplexity: float | None = None
    """exp(loss): that of a token, so of no use across tokenizers."""
    best_loss: float | None = None
    """Lowest validation loss of all evaluations; null where there was none but the last."""
    best_step: int | None = None
    """Optimizer steps taken when it was measured."""
    train_loss: float | None = None
    """Mean training cross entropy of the last tenth of the steps taken (in whole metrics lines), nats per token."""
    D_seen: int
    """Tokens consumed, up to the last metrics line of a run that failed."""
    wall_s: float
    """Seconds of training and evaluation over all attempts; of a run that failed, up to its last metrics line."""
    tokens_per_s: float | None = None
    """Tokens consumed per second of training; first steps that compile are left out where there are others."""
    mfu: float | None = None
    """Share of the device's peak, by M of the stored convention; null where the peak is unknown."""
    peak_memory_bytes: int | None = None
    """Most memory held by one process, the first of several; null where it cannot be read."""
    routing: RoutingHealth | None = None
    """Load of the experts; null for a dense model."""
    domains: dict[str, DomainLoss] = field(default_factory=dict)
    """Loss by domain of the corpus, by the domain's name; empty unless done."""
    execution: Execution | None = None
    """How it was carried out; null unless it came to an end."""
    environment: Environment
    """Where it ran."""
    flags: tuple[str, ...] = ()
    """What a reader should know: resumed, stopped_early, split_batch, micro_batch_halved, dead_experts, imbalanced,
    below_floor, not_finite, exploded."""
    error: str | None = None
    """Why the run failed or diverged, one line."""
    failure: str | None = None
    """Class of the failure (`jobs.failures`); null of a run that is done and of records that knew no classes."""

    def __post_init__(self) -> None:
        if self.state not in STATES:
            raise UsageError(f"state {self.state!r} is not one of {', '.join(STATES)}")
        if (self.state == "done") != (self.loss is not None):
            raise UsageError(f"a run that is {self.state} has loss {self.loss}")


def write_record(study: Study, record: RunRecord) -> None:
    """Write `record.json` of the run, atomically."""
    write_json(study.run_folder(record.spec.run_id) / "record.json", {**record.spec.to_line(), **_outcome(record)})


def read_record(study: Study, spec: RunSpec) -> RunRecord | None:
    """Return the record of a planned run, or None where there is none yet. Raises UsageError for a corrupt one."""
    path = study.run_folder(spec.run_id) / "record.json"
    if not path.is_file():
        return None
    data = read_json(path)
    if not isinstance(data, dict) or data.get("run_id") != spec.run_id:
        raise UsageError(f"{path} is not the record of run {spec.run_id}; remove it and the run is trained again")
    outcome = {name: data[name] for name in RunRecord.__dataclass_fields__ if name in data}
    return from_json(RunRecord, {**outcome, "spec": to_json(spec)}, str(path))


def readable_record(study: Study, spec: RunSpec) -> RunRecord | None:
    """Return the same; a record that cannot be read, such as a half-written one, counts as none, with a warning."""
    try:
        return read_record(study, spec)
    except UsageError as error:
        warn(f"{error}; it counts as not trained")
        return None


def read_records(study: Study) -> list[tuple[RunSpec, RunRecord | None]]:
    """Return every planned run with its record, in the order of the plan."""
    return [(spec, read_record(study, spec)) for spec in study.runs()]


def collect(study: Study) -> list[dict[str, Any]]:
    """Write `runs.csv` from the records and return its rows, one for each run that has a record that can be read."""
    records = [record for spec in study.runs() if (record := readable_record(study, spec)) is not None]
    rows = [flatten(record) for record in records]
    if rows:
        write_text(study.runs_csv, as_csv(rows))
    return rows


def runs_csv(records: list[RunRecord]) -> str:
    """Return the text of `runs.csv`."""
    return as_csv([flatten(record) for record in records])


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Return rows as CSV; a column that a row has no number for is empty in it."""
    text = io.StringIO()
    columns = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def flatten(record: RunRecord) -> dict[str, Any]:
    """Return a record as one row: shape and training numbers by their own names, nested ones with a dot."""
    outcome = _outcome(record)
    first = {name: outcome.pop(name) for name in ("state", "loss", "bpb", "train_loss")}
    outcome |= {f"domains.{name}": measured for name, measured in outcome.pop("domains").items()}
    return _row(record.spec, first, outcome)


def planned(spec: RunSpec) -> dict[str, Any]:
    """Return the row of a run without an outcome, as of one that is trained elsewhere."""
    return _row(spec, {}, {})


def _row(spec: RunSpec, first: dict[str, Any], outcome: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a spec, with those of `first` after its identity and those of `outcome` at the end."""
    line = spec.to_line()
    row = {name: line.pop(name) for name in ("run_id", "study", "arm", "seed", "N", "N_a", "N_vocab", "r_a", "D", "U")}
    row |= {name: line.pop(name) for name in ("epochs", "C", "flops_convention")} | first
    row |= line.pop("shape") | {name: getattr(spec.shape, name) for name in SHAPE_PROPERTIES}
    for name, value in {**line, **outcome}.items():
        if isinstance(value, dict):
            row |= {f"{name}.{key}": item for key, item in value.items()}
        elif isinstance(value, list):
            row[name] = " ".join(map(str, value))
        elif value is not None or name not in NESTED:
            row[name] = value
    return row


def _outcome(record: RunRecord) -> dict[str, Any]:
    """Return the fields of a record beside its spec, as JSON."""
    return {name: value for name, value in to_json(record).items() if name != "spec"}
