"""Read runs from any table, file of a logger, or folder of logs, or from a DataFrame.

table = read_table("runs.csv", {"N": "n_params", "D": "tokens_b*1e9"})
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fits.runs.columns.units import check_units, unit_of
from fits.runs.formats import read_rows
from fits.runs.once import once
from fits.runs.rows import Rows
from fits.runs.sources import known_columns, read_folder
from fits.runs.table import Dropped, RunTable, frame_rows, from_records
from planners.records.errors import UsageError
from planners.records.json import OUTCOME, bytes_hash, outcome_hash

if TYPE_CHECKING:
    from pandas import DataFrame


def read_table(
    runs: "str | Path | DataFrame | Iterable[Mapping[str, Any]] | RunTable",
    columns: Mapping[str, str] | None = None,
    *,
    where: Sequence[str] = (),
    needs: Sequence[str] = ("loss",),
    source: str | None = None,
    unit: str | None = None,
) -> RunTable:
    """Return the table of a file (`fits.runs.formats`), of a folder of logs (`fits.runs.sources`), of a DataFrame, or
    of one mapping a run; a table stays as it is.

    `columns`, `where` and `needs` are those of `from_records`. `source` names the trainer, logger or project that wrote
    the runs, and `unit` is that of the loss (nats, bits, bpb, bpc); without them both are recognised by their columns
    where that is plain, and a remark of the table says so. A run that occurs twice counts once. Raises UsageError
    for a file that cannot be read, missing columns, a loss that is not a positive number, and for units that cannot be
    right: parameters in millions, tokens in billions, perplexities.
    """
    if isinstance(runs, RunTable):
        return runs
    read, named, data_hash = _read(runs, source)
    columns, remarks = known_columns(read.rows, source or read.source, columns or {})
    try:
        table = from_records(read.rows, columns, source=named, where=where, needs=needs, grouped=read.grouped)
    except UsageError as error:
        raise UsageError(f"{error}; this is {read.what}" if read.what else str(error)) from error
    unit, said = unit_of(columns.get("loss", "loss"), unit)
    table = once(replace(table, data_hash=data_hash, remarks=(*table.remarks, *remarks, *said), unit=unit))
    check_units(table, columns)
    if not read.torn:
        return table
    return replace(table, dropped=(*table.dropped, Dropped(row=len(read.rows) + 1, reason="torn last line")))


def _read(runs: Any, source: str | None) -> tuple[Rows, str, str | None]:
    """Return the rows, the name of where they are from, and the hash of their file where there is one."""
    if not isinstance(runs, str | Path):
        is_frame = hasattr(runs, "to_dict") and hasattr(runs, "columns")
        return Rows(rows=frame_rows(runs) if is_frame else list(runs)), "table", None
    path = Path(runs)
    if path.is_dir():
        return read_folder(path, source), str(path), None
    read = read_rows(path)
    is_study = all(name in row for row in read.rows for name in OUTCOME)
    return read, str(path), outcome_hash(read.rows) if is_study else bytes_hash(path.read_bytes())
