"""A table as a value, and its three forms: CSV with full precision, aligned Markdown, and strings for HTML."""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Cell = str | int | float | bool | None

ACTIVE = ("=", "+", "-", "@", "\t", "\r", "\n")
"""Starts of a text cell that a spreadsheet may take for a formula."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table."""

    name: str
    """Name in the CSV, as in runs.csv."""
    head: str
    """Heading for people."""
    unit: str = ""
    """Unit, shown with the heading."""
    show: Callable[[Any], str] = str
    """How a value that is not null is written for people."""
    text: bool = False
    """Whether the column holds text, and is set to the left."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Numbers with their names and units."""

    name: str
    """Name of its files."""
    title: str
    """Heading."""
    note: str
    """What a reader must know: how the numbers were made."""
    columns: tuple[Column, ...]
    """The columns."""
    rows: tuple[tuple[Cell, ...], ...]
    """The values, in full precision; null where there is none."""

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"table {self.name} has rows of another length than its {len(self.columns)} columns")

    @property
    def visible(self) -> list[int]:
        """Indices of the columns that people see: those with a value anywhere, and the first."""
        return [i for i in range(len(self.columns)) if i == 0 or any(row[i] is not None for row in self.rows)]

    @property
    def heads(self) -> list[Column]:
        """The columns that people see."""
        return [self.columns[i] for i in self.visible]

    @property
    def shown(self) -> list[list[str]]:
        """The rows as people read them, of those columns; null is a dash."""
        return [[_shown(self.columns[i], row[i]) for i in self.visible] for row in self.rows]

    def csv(self) -> str:
        """Return the table as CSV: full precision, null empty, text that a spreadsheet would run made inert."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column.name for column in self.columns])
        writer.writerows([_inert(cell) for cell in row] for row in self.rows)
        return text.getvalue()

    def markdown(self) -> str:
        """Return the table as aligned Markdown."""
        heads = [f"{column.head} ({column.unit})" if column.unit else column.head for column in self.heads]
        lines = [[plain(cell) for cell in row] for row in [heads, *self.shown]]
        widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(heads))]
        form = list(zip(self.heads, widths, strict=True))
        rule = ["-" * width if column.text else "-" * (width - 1) + ":" for column, width in form]
        padded = [
            [
                cell.ljust(width) if column.text else cell.rjust(width)
                for cell, (column, width) in zip(line, form, strict=True)
            ]
            for line in lines
        ]
        return "".join(f"| {' | '.join(line)} |\n" for line in [padded[0], rule, *padded[1:]])


def plain(text: str) -> str:
    """Return `text` for Markdown: what would be markup stands for itself, and it stays on one line."""
    return re.sub(r"([\\`*<>|\[\]&~$]|(?<!\w)_|_(?!\w))", r"\\\1", " ".join(text.split()))


def _shown(column: Column, cell: Cell) -> str:
    return "–" if cell is None else column.show(cell)


def _inert(cell: Cell) -> Cell:
    """Return text that no spreadsheet runs; a lone carriage return, which would break the row, is a space."""
    if not isinstance(cell, str):
        return cell
    return (f"'{cell}" if cell.startswith(ACTIVE) else cell).replace("\r", " ")
