"""A table, its forms (CSV with full precision, Markdown, LaTeX, text for HTML), and the vocabulary of columns.

Columns of quantities that several tables show have names here; `text`, `number`, `interval` and `estimate` make others:

>>> [column.name for column in (ARM, RATE, *estimate(LOSS))]
['arm', 'r_a', 'loss', 'lo', 'hi']
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

from planners.records.quantity import format_quantity
from reports.page.escape import inert, latex, markdown
from reports.page.number_text import fixed, flops, general, percent, whole

Cell = str | int | float | bool | None
Row = tuple[Cell, ...]
Data_contra = TypeVar("Data_contra", contravariant=True)
Other = TypeVar("Other")

SENTENCE = 60
"""A cell of more characters is a sentence."""


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
    """Writes a value that is not null for people."""
    text: bool = False
    """Whether the column holds text; text is aligned to the left."""

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
    """How the numbers were made, as far as a reader must know it."""
    columns: tuple[Column, ...]
    """The columns."""
    rows: tuple[Row, ...]
    """The values in full precision; null for a missing value."""
    section: str = ""
    """Heading of the page under which it is shown, where the page arranges its tables itself."""

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"table {self.name} has rows of another length than its {len(self.columns)} columns")

    @cached_property
    def visible(self) -> list[int]:
        """Indices of the columns that people see: the first, and every column that has a value."""
        return [i for i in range(len(self.columns)) if i == 0 or any(row[i] is not None for row in self.rows)]

    @cached_property
    def heads(self) -> list[Column]:
        """The columns that people see."""
        return [self.columns[i] for i in self.visible]

    @cached_property
    def is_prose(self) -> bool:
        """Whether it holds sentences; a narrow page shows the cells of such a row below each other."""
        return any(len(cell) > SENTENCE for row in self.shown for cell in row)

    @cached_property
    def shown(self) -> list[list[str]]:
        """The visible cells as people read them; null is a dash."""
        return [[_shown(self.columns[i], row[i]) for i in self.visible] for row in self.rows]

    def csv(self) -> str:
        """Return the table as CSV: full precision, null empty, and no text that a spreadsheet would run."""
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

        def padded(line: list[str]) -> str:
            cells = zip(line, form, strict=True)
            return " | ".join(cell.ljust(w) if column.text else cell.rjust(w) for cell, (column, w) in cells)

        return "".join(f"| {text} |\n" for text in [padded(lines[0]), " | ".join(rule), *map(padded, lines[1:])])

    def latex(self) -> str:
        """Return the table for a paper, in the style of booktabs."""
        head, *lines = [" & ".join(map(latex, row)) + r" \\" for row in self._lines]
        aligned = "".join("l" if i == 0 or column.text else "r" for i, column in enumerate(self.heads))
        begin = [
            r"% needs \usepackage{booktabs}; names in other scripts need LuaLaTeX or XeLaTeX",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex(f'{self.title}. {self.note}'.strip())}}}",
            rf"\label{{tab:{self.name}}}",
            rf"\begin{{tabular}}{{{aligned}}}",
        ]
        body = [r"\toprule", head, r"\midrule", *lines, r"\bottomrule"]
        return "\n".join([*begin, *body, r"\end{tabular}", r"\end{table}", ""])

    @property
    def _lines(self) -> list[list[str]]:
        """The headings with their units, then the rows as people read them."""
        heads = [f"{column.head} ({column.unit})" if column.unit else column.head for column in self.heads]
        return [heads, *self.shown]


def _shown(column: Column, cell: Cell) -> str:
    return "–" if cell is None else column.show(cell)


@dataclass(frozen=True, kw_only=True)
class TableSpec(Generic[Data_contra]):
    """What a table shows and how it is filled: a constant, and one line of a registry, as for a figure."""

    title: str
    """Heading."""
    section: str
    """Heading of the page under which it is shown."""
    columns: tuple[Column, ...] | Callable[[Data_contra], tuple[Column, ...]]
    """The columns."""
    rows: Callable[[Data_contra], Iterable[Row]]
    """Gives the rows; a table without rows is left out."""
    note: str | Callable[[Data_contra], str]
    """How the numbers were made, as far as a reader must know it."""

    def of(self, view: Callable[[Other], Data_contra]) -> "TableSpec[Other]":
        """Return this table for data of another kind, of which it shows the part that `view` returns."""
        columns, note = self.columns, self.note
        return TableSpec(
            title=self.title,
            section=self.section,
            columns=columns if isinstance(columns, tuple) else lambda data: columns(view(data)),
            rows=lambda data: self.rows(view(data)),
            note=note if isinstance(note, str) else lambda data: note(view(data)),
        )


def filled(specs: Mapping[str, TableSpec[Data_contra]], data: Data_contra) -> dict[str, Table]:
    """Return the tables that have rows for `data`, by name."""
    found: dict[str, Table] = {}
    for name, spec in specs.items():
        if rows := tuple(spec.rows(data)):
            note = spec.note if isinstance(spec.note, str) else spec.note(data)
            columns = spec.columns if isinstance(spec.columns, tuple) else spec.columns(data)
            found[name] = Table(
                name=name, title=spec.title, section=spec.section, note=note, columns=columns, rows=rows
            )
    return found


Show = Callable[[Any], str]
"""Writes a value for people."""
THREE = general(3)
"""Three significant digits, which is enough for most numbers of a table."""


def text(name: str, head: str = "") -> Column:
    """Return a column of text. `name` is its header in the CSV, and its heading where `head` is empty."""
    return Column(name=name, head=head or name, text=True)


def number(name: str, head: str = "", show: Show = str, unit: str = "") -> Column:
    """Return a column of numbers that `show` writes for people. `name` is its header in the CSV.

    >>> number("lr", "peak lr", general(3)).show(0.00123456)
    '0.00123'
    """
    return Column(name=name, head=head or name, show=show, unit=unit)


def interval(of: str = "", show: Show = THREE) -> tuple[Column, Column]:
    """Return the columns of the two ends of a 95 % interval: `of`_lo and `of`_hi, or lo and hi where `of` is empty.

    >>> [(column.name, column.head) for column in interval("ratio")]
    [('ratio_lo', '95 % low'), ('ratio_hi', '95 % high')]
    """
    prefix = f"{of}_" if of else ""
    return number(f"{prefix}lo", "95 % low", show), number(f"{prefix}hi", "95 % high", show)


def estimate(column: Column, of: str = "") -> tuple[Column, Column, Column]:
    """Return `column` and the two ends of its 95 % interval, written alike. `of` is the prefix of their names."""
    return column, *interval(of, column.show)


ARM = text("arm")
FIT = text("fit")
LAW = text("law")
CURVE = text("curve")
SERIES = text("series", "runs of")
STATUS = text("status")
VERDICT = text("verdict")

SEED = number("seed")
COUNT = number("n")
RUNS = number("n", "runs")
SEEDS = number("n", "seeds")
DOF = number("dof")
P = number("p", "p", general(2))
RESIDUAL_SD = number("residual_sd", "residual SD", THREE)

N = number("N", "N", format_quantity)
N_A = number("N_a", "N_a", format_quantity)
RATE = number("r_a", "r_a", percent)
TOP_K = number("top_k", "K")
D = number("D", "D", format_quantity, "tokens")
U = number("U", "U", format_quantity, "tokens")
EPOCHS = number("epochs", "D/U", THREE, "epochs")
TOKENS_PER_PARAMETER = number("tokens_per_parameter", "D/N", THREE)
FLOPS = number("C", "C", flops, "FLOPs")
LR = number("lr", "lr", THREE)
BATCH = number("batch_tokens", "batch", whole, "tokens")
STEPS = number("steps", "steps", whole)

LOSS = number("loss", "loss", fixed(4), "nats/token")
BPB = number("bpb", "bpb", fixed(4), "bits/byte")
