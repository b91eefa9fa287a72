"""The runs of a study as a table for the fits, with losses measured elsewhere, and the margin that the study fixed."""

from dataclasses import replace

from fits.runs.read_table import read_table
from fits.runs.table import RunTable, from_records
from jobs.record import ELSEWHERE, collect, planned
from planners.records.errors import UsageError
from planners.study import Study
from scaling import cli
from scaling.elsewhere import recognised


def runs_of(study: Study) -> RunTable:
    """Return the runs of a study that have ended. Raises UsageError if none has."""
    if not collect(study):
        raise UsageError(
            f"no run of {study.folder} has ended; train them with: {cli.command('sweep', study.folder, '--go')}"
        )
    return replace(read_table(study.runs_csv), source=study.runs_csv.name)


def joined(study: Study, elsewhere: RunTable) -> RunTable:
    """Return the runs of a study, and planned runs that were trained elsewhere: the rows of a table, by run_id.

    N and all that was planned comes from the plan. Raises UsageError as `recognised` does, and for a run that was
    trained in both places.
    """
    here, found = {row["run_id"]: row for row in collect(study)}, recognised(study, elsewhere)
    new = {spec.run_id for spec, _ in found.rows}
    rows = [row for row in here.values() if row["run_id"] not in new or row.get("flags") != ELSEWHERE]
    done = {row["run_id"] for row in rows if row["state"] == "done"}
    for spec, outcome in found.rows:
        if spec.run_id in done:
            raise UsageError(
                f"{elsewhere.source}: run {spec.run_id} was trained in {study.folder} too; remove one of the two"
            )
        rows.append({**planned(spec), **outcome, "state": "done"})
    table = from_records(rows, source=f"{study.runs_csv.name} and {elsewhere.source}")
    dropped = (*table.dropped, *elsewhere.dropped, *found.dropped)
    return replace(table, dropped=dropped, remarks=(*table.remarks, *elsewhere.remarks, *found.remarks))


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
