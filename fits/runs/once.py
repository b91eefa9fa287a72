"""The same run twice in a table, as a continued sweep appends it: it counts once, and the repeats are listed."""

import re
from dataclasses import replace

from fits.runs.table import Dropped, RunTable

_NAMES = ("runid", "id", "wandbid", "run", "runname", "hyperid")
"""Columns that name a run, in lower case without other signs; the first that the table has is used."""
_SAME = ("N", "D", "C", "U", "N_a", "r_a", "seed", "N_opt", "loss")
"""Columns in which two rows of one name must agree to be the same run."""


def once(table: RunTable) -> RunTable:
    """Return the table with each run once; a repeat has the same name and values, or without names all cells equal."""
    frame = table.frame
    by = {re.sub(r"[^a-z]", "", str(name).lower()): name for name in frame.columns}
    name = next((by[one] for one in _NAMES if one in by and frame[by[one]].notna().all()), None)
    columns = [name, *(one for one in _SAME if one in frame)] if name else _cells(table)
    if len(columns) < 2 or not len(frame):
        return table
    text = frame[columns].astype(str)
    repeated = text.duplicated().to_numpy()
    if not repeated.any():
        return table
    first = {cells: row for row, cells in reversed(list(zip(frame.index, text.itertuples(index=False), strict=True)))}
    listed = tuple(
        Dropped(row=int(row), reason=f"the same run as row {first[cells]}")
        for row, cells, again in zip(frame.index, text.itertuples(index=False), repeated, strict=True)
        if again
    )
    dropped = tuple(sorted((*table.dropped, *listed), key=lambda one: one.row))
    return replace(table, frame=frame[~repeated], dropped=dropped)


def _cells(table: RunTable) -> list[str]:
    """Return the columns that describe a run; a column without a name numbers the rows."""
    return [str(name) for name in table.frame.columns if not re.fullmatch(r"column \d+|Unnamed: \d+|index", str(name))]
