"""A table as a value, and its forms: CSV with full precision, aligned Markdown, LaTeX, and strings for HTML."""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from reports.page.escape import inert, latex, markdown

Cell = str | int | float | bool | None

SENTENCE = 60
"""Characters above which a cell is a sentence."""


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

    def named(self, name: str, head: str = "", unit: str | None = None) -> "Column":
        """Return this column for another quantity of the same kind: written alike, with another name and heading.

        The unit stays where `unit` is None.
        """
        return replace(self, name=name, head=head or name, unit=self.unit if unit is None else unit)


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

    @cached_property
    def visible(self) -> list[int]:
        """Indices of the columns that people see: those with a value anywhere, and the first."""
        return [i for i in range(len(self.columns)) if i == 0 or any(row[i] is not None for row in self.rows)]

    @cached_property
    def heads(self) -> list[Column]:
        """The columns that people see."""
        return [self.columns[i] for i in self.visible]

    @cached_property
    def is_prose(self) -> bool:
        """Whether it has sentences, which a narrow page sets below each other."""
        return any(len(cell) > SENTENCE for row in self.shown for cell in row)

    @cached_property
    def shown(self) -> list[list[str]]:
        """The rows as people read them, of those columns; null is a dash."""
        return [[_shown(self.columns[i], row[i]) for i in self.visible] for row in self.rows]

    def csv(self) -> str:
        """Return the table as CSV: full precision, null empty, text that a spreadsheet would run made inert."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column.name for column in self.columns])
        writer.writerows([inert(cell) for cell in row] for row in self.rows)
        return text.getvalue()

    def markdown(self) -> str:
        """Return the table as aligned Markdown."""
        lines = [[markdown(cell) for cell in row] for row in self._lines]
        widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(self.heads))]
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

    def latex(self) -> str:
        """Return the table for a paper, in the manner of booktabs."""
        head, *lines = [" & ".join(map(latex, row)) + r" \\" for row in self._lines]
        aligned = "".join("l" if i == 0 or column.text else "r" for i, column in enumerate(self.heads))
        return "\n".join([
            r"% needs \usepackage{booktabs}; names in other scripts need LuaLaTeX or XeLaTeX",
            r"\begin{table}", r"\centering", rf"\caption{{{latex(f'{self.title}. {self.note}'.strip())}}}",
            rf"\label{{tab:{self.name}}}", rf"\begin{{tabular}}{{{aligned}}}", r"\toprule", head, r"\midrule", *lines,
            r"\bottomrule", r"\end{tabular}", r"\end{table}", "",
        ])  # fmt: skip

    @property
    def _lines(self) -> list[list[str]]:
        """The heads with their units, and the rows as people read them."""
        heads = [f"{column.head} ({column.unit})" if column.unit else column.head for column in self.heads]
        return [heads, *self.shown]


def _shown(column: Column, cell: Cell) -> str:
    return "–" if cell is None else column.show(cell)
