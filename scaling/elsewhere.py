"""Planned runs that another engine trained: rows of a table, found by run_id and held against the plan."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fits.runs.columns.cells import is_missing
from fits.runs.table import Dropped, RunTable
from jobs.record import ELSEWHERE, Environment, RunRecord, planned, write_record
from planners.records.errors import UsageError
from planners.records.files import read_json
from planners.spec import RunSpec
from planners.study import Study

OUTCOMES = (
    "loss",
    "bpb",
    "train_loss",
    "wall_s",
    "tokens_per_s",
    "mfu",
    "peak_memory_bytes",
    "engine",
    "engine_version",
)
"""Columns that the table decides; those of the plan stay as they were planned."""
BALANCED_LOSS = "eval_loss"
"""The validation loss of transformers and LLaMA-Factory, which holds the balance loss of a mixture of experts."""
PLAIN_LOSS = "eval_ce"
"""What the exported Trainer logs besides: the cross entropy alone."""
LR_NAMES = ("peak_lr", "config.learning_rate", "config.lr", "params.learning_rate", "params.lr")
"""Columns that state the peak learning rate; one called lr holds the last value of a schedule."""
TOLERANCE = 0.02
"""Largest relative difference of D and of the peak learning rate from the plan."""


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """The runs of a table that a study planned."""

    rows: tuple[tuple[RunSpec, dict[str, Any]], ...]
    """Each run with the columns that the table decides."""
    dropped: tuple[Dropped, ...]
    """Rows that are another run than the planned one, or whose loss is not a cross entropy."""
    remarks: tuple[str, ...]
    """What was corrected, one sentence each."""

    def records(self, study: Study) -> list[RunRecord]:
        """Return a record of each run, which says that it was trained elsewhere."""
        return [_record(study, spec, row) for spec, row in self.rows]


def recognised(study: Study, table: RunTable) -> Elsewhere:
    """Return the runs of `table`, each with the run_id that a column `run_id`, its name or its configuration holds.

    A row with other D or learning rate than planned is dropped, as is a validation loss that holds the balance loss,
    unless the row has `aux_loss` and `router_aux_loss_coef`, which give the cross entropy. Raises UsageError where no
    column holds run ids, and for an id that was not planned.
    """
    specs = {spec.run_id: spec for spec in study.runs()}
    rows, dropped, remarks = [], [], []
    for number, row in zip(table.frame.index, table.frame.to_dict("records"), strict=True):
        cells = {str(name): cell for name, cell in row.items() if not is_missing(cell)}
        spec = specs[_run_id(cells, specs, study, table.source)]
        reason = next(_differences(spec, cells), None)
        if reason is None and _holds_balance(spec, cells):
            corrected = _without_balance(cells)
            if corrected is None:
                reason = f"{BALANCED_LOSS} holds the balance loss; evaluate with output_router_logits off"
            else:
                cells["loss"] = corrected
                remarks.append(f"run {spec.run_id}: the balance loss was taken out of {BALANCED_LOSS}")
        if reason is not None:
            dropped.append(Dropped(row=int(number), reason=reason, C=spec.C, r_a=spec.r_a))
            continue
        rows.append(
            (spec, {name: cell for name, cell in cells.items() if name not in planned(spec) or name in OUTCOMES})
        )
    return Elsewhere(rows=tuple(rows), dropped=tuple(dropped), remarks=tuple(remarks))


def _run_id(cells: Mapping[str, Any], specs: Mapping[str, RunSpec], study: Study, source: str) -> str:
    """Return the planned run of a row."""
    if (stated := cells.get("run_id")) is not None and str(stated) in specs:
        return str(stated)
    texts = [cell for cell in cells.values() if isinstance(cell, str)]
    found = {run_id for run_id in specs for text in texts if run_id in text}
    if len(found) == 1:
        return found.pop()
    if stated is not None:
        raise UsageError(f"{source}: {study.folder} planned no run {stated}; remove the row, or fit the table alone")
    if found:
        raise UsageError(f"{source}: a row names the runs {', '.join(sorted(found))}; give it one column run_id")
    raise UsageError(
        f"{source} has no column run_id, and no other column holds a run_id of {study.folder}; add that column"
    )


def _differences(spec: RunSpec, cells: Mapping[str, Any]) -> Iterator[str]:
    """Yield why a row is another run than the planned one."""
    training = spec.training
    lr = next((cells[name] for name in LR_NAMES if name in cells), None)
    pairs = [
        ("D", cells.get("D"), training.D, TOLERANCE + 1 / training.seq_len),  # transformers counts T + 1 tokens
        ("lr", lr, training.lr, TOLERANCE),
    ]
    for name, found, wanted, tolerance in pairs:
        if isinstance(found, int | float) and abs(found / wanted - 1) > tolerance:
            yield f"{name} is {found:g}, but {wanted:g} was planned, so it is another run"


def _holds_balance(spec: RunSpec, cells: Mapping[str, Any]) -> bool:
    if spec.shape.is_dense or not spec.router.balance or PLAIN_LOSS in cells:
        return False
    return BALANCED_LOSS in cells and cells[BALANCED_LOSS] == cells.get("loss")


def _without_balance(cells: Mapping[str, Any]) -> float | None:
    coefficient, aux = cells.get("router_aux_loss_coef"), cells.get("aux_loss")
    if isinstance(coefficient, int | float) and isinstance(aux, int | float):
        return float(cells["loss"] - coefficient * aux)
    return None


def _record(study: Study, spec: RunSpec, row: Mapping[str, Any]) -> RunRecord:
    engine = _engine(study, spec, row)
    where = Environment(
        version="", commit=None, python="", torch="", device=engine, host="", started="", ended="", code=None
    )
    return RunRecord(
        spec=spec,
        state="done",
        loss=float(row["loss"]),
        bpb=row.get("bpb"),
        train_loss=row.get("train_loss"),
        D_seen=spec.training.D,
        wall_s=float(row.get("wall_s", 0.0)),
        environment=where,
        flags=(ELSEWHERE,),
    )


def _engine(study: Study, spec: RunSpec, row: Mapping[str, Any]) -> str:
    """Return engine and version: as the row states them, or as the only export of the run does."""
    if "engine" in row:
        return " ".join(str(row[name]) for name in ("engine", "engine_version") if name in row)
    exports = [read_json(path) for path in study.folder.glob(f"*/*-{spec.run_id}/recipe.json")]
    return str(exports[0]["engine_version"]) if len(exports) == 1 else "another engine"


def keep(study: Study, found: Elsewhere) -> int:
    """Write records of the runs into the study and return their number; the report then shows them next to ours."""
    for record in found.records(study):
        write_record(study, record)
    return len(found.rows)
