"""The outcome of a run: `record.json`, written once when the run ends, and `runs.csv`, the table of all records."""

import csv
import io
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from jobs.execution import Execution
from planners.records.errors import UsageError, warn
from planners.records.files import read_json, write_json, write_text
from planners.records.json import from_json, to_json
from planners.spec import RunSpec
from planners.study import Study

FINAL = ("done", "diverged")
"""States that a sweep never trains again; a `failed` run is trained again with --retry."""
STATES = (*FINAL, "failed")
IMBALANCED = 4.0
"""A run is flagged `imbalanced` if its busiest expert has more than this many times the mean load."""
DROPPED = 0.05
"""A run is flagged `dropped_slots` if the capacity factor dropped more than this fraction of its routed slots."""
ELSEWHERE = "trained_elsewhere"
"""Flag of a run that another engine trained; `environment.device` names that engine."""
NESTED = ("routing", "data", "execution")
SHAPE_PROPERTIES = ("total", "active", "A_e", "mu", "zeta", "granularity")


@dataclass(frozen=True, kw_only=True)
class RoutingHealth:
    """How evenly the last evaluation loaded the experts; each number is from its worst MoE layer."""

    max_load: float
    """Load of the busiest expert divided by the mean load, over the whole evaluation."""
    load_cv: float
    """Standard deviation of the load divided by its mean."""
    dead_experts: int
    """Number of experts, over all layers, with less than 1 % of the mean load."""
    entropy: float
    """Entropy of the gate probabilities divided by ln(n_experts): 1 for uniform gates; the lowest layer."""
    dropped: float
    """Fraction of routed slots that the capacity factor dropped, over the whole training."""


@dataclass(frozen=True, kw_only=True)
class DomainLoss:
    """Validation loss on one domain of the corpus."""

    loss: float
    """Nats per token."""
    bpb: float | None
    """The same in bits per byte of text (per token of a generated corpus); null if the loss is not a likelihood."""
    tokens: int
    """Number of tokens it was measured on."""
    se: float | None = None
    """Standard error of the loss over the validation windows; null for a single window."""
    floor: float | None = None
    """Entropy of the domain, the lowest loss that any model can reach; null where unknown, as for text."""


@dataclass(frozen=True, kw_only=True)
class TaskAccuracy:
    """How well a model answers the validation questions of one generated task."""

    exact_match: float
    """Share of examples of which every answer is right, given the right answers before it."""
    steps: tuple[float, ...]
    """Share of right answers at each step."""
    loss: float
    """Mean cross entropy of the answers, nats."""
    floor: float
    """Lowest possible value of that: 0, because every answer follows from its question."""
    n: int
    """Number of examples."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where a run was trained."""

    version: str
    """Version of this toolkit."""
    commit: str | None
    """Commit of its sources, with + if files were changed; null where unknown."""
    code: str | None = None
    """Hash of the sources that it ran (`jobs.snapshot`); null in records of older versions."""
    python: str
    """Version of Python."""
    torch: str
    """Version of torch."""
    device: str
    """Name of the processor or GPU."""
    host: str
    """Name of the machine."""
    started: str
    """When the run was first started, UTC."""
    ended: str
    """When it ended, UTC."""
    earlier: tuple[str, ...] = ()
    """Code, torch and device of earlier parts of the run, as `sources`, where they differ from those above."""

    @property
    def sources(self) -> str:
        """What the loss depends on apart from the spec: code, torch and device in one text."""
        return f"code {self.code}, torch {self.torch}, {self.device}"


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The outcome of one run. `record.json` holds these fields together with the fields of the spec."""

    spec: RunSpec
    """The planned run."""
    state: str
    """done, failed or diverged."""
    loss: float | None = None
    """Validation loss after the last step, nats per token; null unless done."""
    bpb: float | None = None
    """The same in bits per byte of text."""
    perplexity: float | None = None
    """exp(loss), per token: not comparable across tokenizers."""
    best_loss: float | None = None
    """Lowest validation loss of all evaluations; null if there was only the last one."""
    best_step: int | None = None
    """Optimizer step at which `best_loss` was measured."""
    train_loss: float | None = None
    """Mean training loss of the last tenth of the steps (rounded to whole metrics lines), nats per token."""
    D_seen: int
    """Tokens consumed; for a failed run, up to its last metrics line."""
    wall_s: float
    """Seconds of training and evaluation over all attempts; for a failed run, up to its last metrics line."""
    tokens_per_s: float | None = None
    """Tokens per second of training, without the first steps, which compile, if there are others."""
    mfu: float | None = None
    """Model FLOPs utilisation: fraction of the device's peak, by M of the stored convention; null if unknown."""
    peak_memory_bytes: int | None = None
    """Peak memory of the run's first process, in bytes; null where it cannot be read."""
    routing: RoutingHealth | None = None
    """Load of the experts; null for a dense model."""
    domains: dict[str, DomainLoss] = field(default_factory=dict)
    """Loss on each domain of the corpus, by name; empty unless done."""
    tasks: dict[str, TaskAccuracy] = field(default_factory=dict)
    """Accuracy on each generated task, by name; empty for other corpora."""
    until: dict[str, float] = field(default_factory=dict)
    """What the run needed until the exact match first passed 50 and 90 %, linear between evaluations: tokens_50 and
    tokens_90 of the mean over tasks, the same for each task (tokens_50.arith), flops_50 and seconds_50; one that was
    never passed is missing. loss_first is the loss of the first evaluation."""
    spent: dict[str, float] = field(default_factory=dict)
    """With top-p routing: C spent in training, and the mean number of experts of a token in each MoE layer."""
    execution: Execution | None = None
    """How the run was carried out; null if it failed."""
    environment: Environment
    """Where it ran."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Documents of the source that the corpus does not hold, by reason; not written where there are none."""
    origin: str | None = None
    """Study that the run was copied from; null, and not written, where it was trained here."""
    flags: tuple[str, ...] = ()
    """Remarks for a reader: resumed, stopped_early, solved, split_batch, micro_batch_halved, dead_experts, imbalanced,
    dropped_slots, mixed_code (parts of the run were trained by other code, torch or device), below_floor, not_finite,
    exploded, trained_elsewhere."""
    error: str | None = None
    """Why the run failed or diverged, one line."""
    failure: str | None = None
    """Failure class (`jobs.failures`); null for a run that is done and in records of older versions."""

    def __post_init__(self) -> None:
        if self.state not in STATES:
            raise UsageError(f"state {self.state!r} is not one of {', '.join(STATES)}")
        if (self.state == "done") != (self.loss is not None):
            raise UsageError(f"a run that is {self.state} has loss {self.loss}")

    @property
    def is_elsewhere(self) -> bool:
        """Whether another engine trained it, so that its weights and its speed are not here."""
        return ELSEWHERE in self.flags

    @property
    def is_simulated(self) -> bool:
        """Whether a law gave its loss, so that it has neither weights nor a speed."""
        return "simulated" in self.flags


def write_record(study: Study, record: RunRecord) -> None:
    """Write the `record.json` of the run, atomically."""
    folder = study.make_run_folder(record.spec.run_id)
    write_json(folder / "record.json", {**record.spec.to_line(), **_outcome(record)})


def read_record(study: Study, spec: RunSpec) -> RunRecord | None:
    """Return the record of a planned run, or None if it has none yet.

    Raises UsageError for a corrupt record, and OSError for one that cannot be read: it may be whole.
    """
    path = study.run_folder(spec.run_id) / "record.json"
    if not path.is_file():
        return None
    try:
        data = read_json(path)
    except UsageError as error:
        if isinstance(error.__cause__, FileNotFoundError):  # a worker has just set it aside, to train the run again
            return None
        raise error.__cause__ if isinstance(error.__cause__, OSError) else error from None
    if not isinstance(data, dict) or data.get("run_id") != spec.run_id:
        raise UsageError(f"{path} is not the record of run {spec.run_id}; remove it to train the run again")
    outcome = {name: data[name] for name in RunRecord.__dataclass_fields__ if name in data}
    return from_json(RunRecord, {**outcome, "spec": spec}, str(path))


def readable_record(study: Study, spec: RunSpec) -> RunRecord | None:
    """Return the record of a planned run; warn about a corrupt record and return None for it."""
    try:
        return read_record(study, spec)
    except UsageError as error:
        warn(f"{error}; the run counts as not trained")
        return None


def read_or_set_aside(study: Study, spec: RunSpec) -> RunRecord | None:
    """Return the record of a run whose lock the caller holds.

    A corrupt record is renamed, never deleted, and the run counts as not trained. Raises OSError as `read_record` does.
    """
    try:
        return read_record(study, spec)
    except UsageError as error:
        path = study.run_folder(spec.run_id) / "record.json"
        aside = path.rename(path.with_name(f"record.json.unreadable-{time.time_ns()}"))
        print(f"warning: {error}; it is now {aside.name} and the run is trained again", file=sys.stderr)
        return None


def has_weights(study: Study, run_id: str) -> bool:
    """Whether a run was trained to its end, so that another run can start from its weights.

    The run may be missing from the plan, so this reads its `record.json` without a spec. A simulated run has none.
    """
    try:
        record = read_json(study.run_folder(run_id) / "record.json")
        return record.get("state") == "done" and not {"simulated", ELSEWHERE} & set(record.get("flags", ()))
    except (UsageError, AttributeError):
        return False


def read_records(study: Study) -> list[tuple[RunSpec, RunRecord | None]]:
    """Return every planned run and its record, in plan order.

    >>> [(spec, record)] = read_records(Study("results/laptop"))[:1]
    >>> spec.arm, record.state
    ('dense', 'done')
    """
    return [(spec, read_record(study, spec)) for spec in study.runs()]


def collect(study: Study) -> list[dict[str, Any]]:
    """Write `runs.csv` from the readable records and return its rows, one per record."""
    records = [record for spec in study.runs() if (record := readable_record(study, spec)) is not None]
    rows = [flatten(record) for record in records]
    if rows:
        write_text(study.runs_csv, as_csv(rows))
    return rows


def runs_csv(records: list[RunRecord]) -> str:
    """Return the text of `runs.csv`."""
    return as_csv([flatten(record) for record in records])


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Return rows as CSV text; a cell is empty where its row lacks the column."""
    text = io.StringIO()
    columns = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, fieldnames=list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def flatten(record: RunRecord) -> dict[str, Any]:
    """Return a record as one row of `runs.csv`: shape numbers by their own names, other nested ones with a dot."""
    outcome = _outcome(record)
    first = {name: outcome.pop(name) for name in ("state", "loss", "bpb", "train_loss")}
    if earlier := outcome["environment"].pop("earlier"):
        outcome["environment"]["earlier"] = "; ".join(earlier)
    outcome |= {f"domains.{name}": measured for name, measured in outcome.pop("domains").items()}
    return _row(record.spec, first, outcome)


def planned(spec: RunSpec) -> dict[str, Any]:
    """Return the row of a run without an outcome, such as a run that is trained elsewhere."""
    return _row(spec, {}, {})


def _row(spec: RunSpec, first: dict[str, Any], outcome: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of a spec; the columns of `first` follow its identity, those of `outcome` come last."""
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
    """Return the fields of a record without its spec, as JSON."""
    found = {name: value for name, value in to_json(record).items() if name != "spec"}
    return {name: value for name, value in found.items() if value or name not in ("origin", "left_out")}
