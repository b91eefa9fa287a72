"""Read runs from any table: a CSV, JSON, Parquet, Excel or Markdown file, or a DataFrame.

table = read_table("runs.csv", {"N": "n_params", "D": "tokens_b*1e9"})
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fits.runs.columns.units import check_units
from fits.runs.formats import read_rows
from fits.runs.once import once
from fits.runs.table import Dropped, RunTable, from_records
from planners.records.errors import UsageError
from planners.records.json import bytes_hash

if TYPE_CHECKING:
    from pandas import DataFrame


def read_table(
    runs: "str | Path | DataFrame | Iterable[Mapping[str, Any]] | RunTable",
    columns: Mapping[str, str] | None = None,
    *,
    where: Sequence[str] = (),
    needs: Sequence[str] = ("loss",),
) -> RunTable:
    """Return the table of a file (`fits.runs.formats`), a DataFrame, or one mapping a run; a table stays as it is.

    `columns`, `where` and `needs` are those of `from_records`. A run that occurs twice counts once. Raises UsageError
    for a file that cannot be read, missing columns, a loss that is not a positive number, and for units that cannot be
    right: parameters in millions, tokens in billions, perplexities.
    """
    if isinstance(runs, RunTable):
        return runs
    columns = columns or {}
    if not isinstance(runs, str | Path):
        table = once(from_records(runs, columns, where=where, needs=needs))
        check_units(table, columns)
        return table
    path = Path(runs)
    read = read_rows(path)
    try:
        table = from_records(read.rows, columns, source=str(path), where=where, needs=needs, grouped=read.grouped)
    except UsageError as error:
        raise UsageError(f"{error}; the file is {read.what}" if read.what else str(error)) from error
    table = once(replace(table, data_hash=bytes_hash(path.read_bytes())))
    check_units(table, columns)
    if not read.torn:
        return table
    return replace(table, dropped=(*table.dropped, Dropped(row=len(read.rows) + 1, reason="torn last line")))
