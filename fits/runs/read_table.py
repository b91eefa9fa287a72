"""Runs from a file: CSV, JSONL or Parquet, with foreign column names and units.

table = read_table("runs.csv", {"N": "n_params", "D": "tokens_b*1e9"})
"""

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fits.runs.table import Dropped, RunTable, frame_rows, from_records
from planners.records.errors import UsageError
from planners.records.files import read_jsonl
from planners.records.json import bytes_hash

FEWEST_PARAMETERS = 100.0
"""Parameters below which N is a number of millions or billions, and not a count."""
FEWEST_OF_BOTH = 3e4
"""N and D below which both are such numbers: 3e4 million parameters would be 30 billion, and no run ends so soon."""
FEWEST_TOKENS = 1e-3
"""Tokens per parameter below which D is a number of millions or billions."""


def read_table(path: str | Path, columns: Mapping[str, str] | None = None) -> RunTable:
    """Read the runs of a CSV, JSONL or Parquet file under the rules of `from_records`, which says what `columns` is.

    Raises UsageError for a file that cannot be read, a missing column, a loss that is no positive number, and
    parameters or tokens that must be counted in billions.
    """
    path = Path(path)
    torn = False
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
    """Return the rows as text, so that an empty cell stays apart from `nan`; blank lines are not rows."""
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
            raise UsageError(f"{path} line {number} has {len(cells)} cells and the header {len(header)}; restore it")
    return [dict(zip(header, cells, strict=True)) for _, cells in lines[1:]]


def _read_parquet(path: Path) -> list[dict[str, Any]]:
    import pandas as pd

    try:
        return frame_rows(pd.read_parquet(path))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as Parquet ({error})") from error


def _check_units(table: RunTable) -> None:
    """Refuse parameters or tokens that must have been counted in billions; our own records, which count, are right."""
    if table.has("N_vocab"):
        return
    numeric = [name for name in ("N", "D") if table.has(name) and table.frame[name].dtype.kind in "iuf"]
    if "N" in numeric and (most := table.frame["N"].max()) < FEWEST_PARAMETERS:
        raise UsageError(f"{table.source}: no model has N of {most:g}; if it is in billions: --columns N=NAME*1e9")
    if len(numeric) == 2 and (most := table.frame[numeric].max().max()) < FEWEST_OF_BOTH:
        text = f"{table.source}: no N and no D is above {most:g}"
        raise UsageError(f"{text}; if they are in millions or billions: --columns N=NAME*1e6,D=NAME*1e9")
    if len(numeric) == 2 and (most := (table.frame["D"] / table.frame["N"]).max()) < FEWEST_TOKENS:
        text = f"{table.source}: D is at most {most:.2g} tokens per parameter"
        raise UsageError(f"{text}; if it is in billions say so: --columns D=NAME*1e9")
