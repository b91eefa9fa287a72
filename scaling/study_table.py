"""The runs of a study as a table for the fits, with losses measured elsewhere, and the margin that the study fixed."""

from dataclasses import replace

from fits.runs.read_table import read_table
from fits.runs.table import RunTable, from_records
from jobs.record import collect, planned
from planners.records.errors import UsageError
from planners.study import Study
from scaling import cli


def runs_of(study: Study) -> RunTable:
    """Return the runs of a study that have ended. Raises UsageError if none has."""
    if not collect(study):
        raise UsageError(
            f"no run of {study.folder} has ended; train them with: {cli.command('sweep', study.folder, '--go')}"
        )
    return replace(read_table(study.runs_csv), source=study.runs_csv.name)


def joined(study: Study, elsewhere: RunTable) -> RunTable:
    """Return the runs of a study, and planned runs that were trained elsewhere: the rows of a table, by run_id.

    Raises UsageError for a run that the study did not plan, and for a run that was trained in both places.
    """
    path = elsewhere.source
    if "run_id" not in elsewhere.frame:
        raise UsageError(f"{path} has no column run_id, which is needed to join its runs with those of {study.folder}")
    specs, here = {spec.run_id: spec for spec in study.runs()}, {row["run_id"]: row for row in collect(study)}
    rows = list(here.values())
    for row in elsewhere.frame.to_dict("records"):
        run_id = str(row["run_id"])
        if run_id not in specs:
            raise UsageError(f"{path}: {study.folder} planned no run {run_id}; remove the row, or fit the table alone")
        if here.get(run_id, {}).get("state") == "done":
            raise UsageError(f"{path}: run {run_id} was trained in {study.folder} too; remove one of the two")
        rows.append({**planned(specs[run_id]), **{str(name): cell for name, cell in row.items()}, "state": "done"})
    table = from_records(rows, source=f"{study.runs_csv.name} and {path}")
    return replace(table, dropped=(*table.dropped, *elsewhere.dropped))


def margin_of(study: Study, wanted: float | None = None) -> float | None:
    """Return the margin of a study in nats per token: the one fixed before its runs, or else `wanted`.

    Raises UsageError if `wanted` differs from the fixed margin.
    """
    fixed = study.asked().question.margin
    if None not in (wanted, fixed) and wanted != fixed:
        command = cli.command("fit", "--runs", study.runs_csv, "--margin", wanted)
        raise UsageError(
            f"{study.folder} fixed its margin at {fixed:g} nats before its runs, not {wanted:g};"
            f" to see another margin, fit the table: {command}"
        )
    return wanted if fixed is None else fixed
