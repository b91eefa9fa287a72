"""Read runs from a CSV, JSONL or Parquet file or a DataFrame, with foreign column names and units.

table = read_table("runs.csv", {"N": "n_params", "D": "tokens_b*1e9"})
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fits.runs.table import Dropped, RunTable, frame_rows, from_records
from planners.records.errors import UsageError
from planners.records.files import read_jsonl
from planners.records.json import bytes_hash

if TYPE_CHECKING:
    from pandas import DataFrame

FEWEST_PARAMETERS = 100.0
"""If no N is above this, N is given in millions or billions."""
FEWEST_OF_BOTH = 3e4
"""If no N and no D is above this, both are given in millions or billions: no run has so few parameters and tokens."""
FEWEST_TOKENS = 1e-3
"""If no D / N is above this, D is given in millions or billions."""


def read_table(
    runs: "str | Path | DataFrame | Iterable[Mapping[str, Any]] | RunTable", columns: Mapping[str, str] | None = None
) -> RunTable:
    """Return the table of a CSV, JSONL or Parquet file, a DataFrame, or one mapping a run; a table stays as it is.

    `columns` maps our column names to those of the input, as in `from_records`. Raises UsageError for a file that
    cannot be read, a missing column, a loss that is not a positive number, and for parameters or tokens that seem to be
    given in billions.
    """
    if isinstance(runs, RunTable):
        return runs
    if not isinstance(runs, str | Path):
        table = from_records(runs, columns)
        _check_units(table)
        return table
    path, torn = Path(runs), False
    if path.suffix == ".jsonl":
        rows, torn = read_jsonl(path)
    elif path.suffix == ".parquet":
        rows = _read_parquet(path)
    else:
        rows = _read_csv(path)
    data_hash = bytes_hash(path.read_bytes())
    table = replace(from_records(rows, columns, source=str(path)), data_hash=data_hash)
    _check_units(table)
    if not torn:
        return table
    return replace(table, dropped=(*table.dropped, Dropped(row=len(rows) + 1, reason="torn last line")))


def _read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows as text, which keeps empty cells and `nan` apart; blank lines are skipped."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [(number, cells) for number, cells in enumerate(csv.reader(file), 1) if any(map(str.strip, cells))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read as CSV ({getattr(error, 'strerror', None) or error})") from error
    if len(lines) < 2:
        raise UsageError(f"{path} holds no runs; give a CSV with a header and one run a row")
    header = [name.strip() for name in lines[0][1]]
    if len(set(header)) < len(header):
        raise UsageError(f"{path} names a column twice: {', '.join(header)}; rename one of them")
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            raise UsageError(f"{path} line {number} has {len(cells)} cells, the header {len(header)}; correct it")
    return [dict(zip(header, cells, strict=True)) for _, cells in lines[1:]]


def _read_parquet(path: Path) -> list[dict[str, Any]]:
    import pandas as pd

    try:
        return frame_rows(pd.read_parquet(path))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as Parquet ({error})") from error


def _check_units(table: RunTable) -> None:
    """Raise UsageError if N or D seem to be given in billions; tables of our own records, with N_vocab, are exempt."""
    if table.has("N_vocab"):
        return
    numeric = [name for name in ("N", "D") if table.has(name) and table.frame[name].dtype.kind in "iuf"]
    if "N" in numeric and (most := table.frame["N"].max()) < FEWEST_PARAMETERS:
        raise UsageError(f"{table.source}: no model has N = {most:g}; if N is in billions: --columns N=NAME*1e9")
    if len(numeric) == 2 and (most := table.frame[numeric].max().max()) < FEWEST_OF_BOTH:
        text = f"{table.source}: no N and no D is above {most:g}"
        raise UsageError(f"{text}; if they are given in millions or billions: --columns N=NAME*1e6,D=NAME*1e9")
    if len(numeric) == 2 and (most := (table.frame["D"] / table.frame["N"]).max()) < FEWEST_TOKENS:
        text = f"{table.source}: D is at most {most:.2g} tokens per parameter"
        raise UsageError(f"{text}; if D is given in billions: --columns D=NAME*1e9")
