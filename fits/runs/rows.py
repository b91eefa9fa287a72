"""What every format returns: rows with named cells; and the header of a table of unnamed cells."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fits.runs.columns.cells import number
from planners.records.errors import UsageError

Lines = Sequence[tuple[int, list[Any]]]
"""(line number, cells) of each line that is not blank."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of a file, before anything is said about their columns."""

    rows: list[dict[str, Any]]
    """One mapping a row, from column to cell; text stays text."""
    torn: bool = False
    """Whether the last line was cut off and left out."""
    grouped: bool = True
    """Whether `1,234` is 1234 where no other cell decides it."""
    what: str = ""
    """What the file is, where that is not a table of runs."""
    source: str | None = None
    """Name of the source that wrote it (`fits.runs.sources`), where its form shows it."""


def named_rows(lines: Lines, source: str) -> list[dict[str, Any]]:
    """Return the rows below the header.

    Titles above the header are skipped, and columns that are empty and unnamed are dropped. Raises UsageError for a
    table without rows or header, a name that occurs twice, and a row of another length than the header.
    """
    lines = _from_header(lines)
    if len(lines) < 2:
        raise UsageError(f"{source} holds no runs; give a table with a header and one run a row")
    (first, cells), body = lines[0], lines[1:]
    if not is_header(cells):
        shown = ", ".join(map(_name, cells))[:60]
        raise UsageError(f"{source} line {first} is not a header but numbers ({shown}); add a line with the names")
    header = [_name(cell) for cell in cells]
    twice = [name for name, count in Counter(filter(None, header)).items() if count > 1]
    if twice:
        raise UsageError(f"{source} names a column twice: {', '.join(twice)}; rename one of them")
    rows = [_of_width(cells, header, line, source) for line, cells in body]
    used = [at for at, name in enumerate(header) if name or any(_name(row[at]) for row in rows)]
    return [{header[at] or f"column {at + 1}": row[at] for at in used} for row in rows]


def is_header(cells: Sequence[Any]) -> bool:
    """Return whether at most half of the cells with a value are numbers."""
    stated = [cell for cell in cells if _name(cell)]
    return bool(stated) and 2 * sum(number(cell) is not None for cell in stated) <= len(stated)


def _from_header(lines: Lines) -> Lines:
    """Return the lines from the header on: a title has one cell where the table has more."""
    filled = [sum(bool(_name(cell)) for cell in cells) for _, cells in lines]
    several = [at for at, count in enumerate(filled) if count > 1]
    return lines[several[0] :] if several else lines


def _of_width(cells: list[Any], header: list[str], line: int, source: str) -> list[Any]:
    """Return the cells, one per name; only empty cells may be too many, and only cells without a name missing."""
    width = len(header)
    if any(map(_name, cells[width:])) or any(header[len(cells) :]):
        raise UsageError(f"{source} line {line} has {len(cells)} cells, the header {width}; correct it")
    return [*cells[:width], *[None] * (width - len(cells))]


def _name(cell: Any) -> str:
    return "" if cell is None else " ".join(str(cell).split())
