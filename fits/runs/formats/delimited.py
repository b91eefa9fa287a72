"""Text with one run a line: CSV with commas, semicolons, tabs or bars, and columns aligned with spaces."""

import csv
import io
import re
from collections.abc import Iterator

from fits.runs.columns.cells import decimal_mark, number
from fits.runs.rows import Lines, Rows, is_header, named_rows
from planners.records.errors import UsageError

_DELIMITERS = (",", ";", "\t", "|")
_SEPARATOR = re.compile(r"sep=(.)\s*", re.IGNORECASE)
_RULER = re.compile(r"[-=+|\s]{3,}")
_PROBE = 200
"""Lines that decide which sign separates the cells."""


def read_delimited(text: str, source: str) -> Rows:
    """Return the rows of a text; comment lines, rulers and blank lines are skipped. Raises UsageError."""
    lines = [(at, line) for at, line in enumerate(text.splitlines(keepends=True), 1)]
    stated = _SEPARATOR.fullmatch(lines[0][1])
    if stated:
        delimiter, text = stated[1], "\n" + text.split("\n", 1)[-1]
    else:
        delimiter = _delimiter(text)
    try:
        split = list(_aligned(text) if delimiter == " " else _split(text, delimiter))
    except csv.Error as error:
        raise UsageError(f"{source} cannot be read as CSV ({error})") from error
    return Rows(rows=named_rows(_without_comments(split), source), grouped=delimiter == ",")


def _split(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield reader.line_num, [cell.strip() for cell in cells]


def _aligned(text: str) -> Iterator[tuple[int, list[str]]]:
    """Return the cells between runs of two spaces or more, or of one where no line has two."""
    lines = [(at, line.strip()) for at, line in enumerate(text.splitlines(), 1)]
    gap = r"\s{2,}" if any(re.search(r"\S\s{2,}\S", line) for _, line in lines) else r"\s+"
    for at, line in lines:
        if line and not _RULER.fullmatch(line):
            yield at, re.split(gap, line)


def _delimiter(text: str) -> str:
    """Return the sign that splits the lines into equal numbers of cells, most of them numbers; a space if none does."""
    head = "".join(text.splitlines(keepends=True)[:_PROBE])
    scores = {delimiter: _score(head, delimiter) for delimiter in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda delimiter: scores[delimiter])
    if scores[best][0] < 1 and "\t" not in head and re.search(r"\S +\S", head):
        aligned = _without_comments(list(_aligned(head)))
        if len({len(cells) for _, cells in aligned}) == 1 < min(len(aligned), len(aligned[0][1])):
            return " "
    return best


def _score(text: str, delimiter: str) -> tuple[float, float]:
    """Return the share of lines as wide as the widest usual line, 0 for one column, and the share of numbers."""
    try:
        lines = [cells for _, cells in _without_comments(list(_split(text, delimiter)))]
    except csv.Error:
        return 0.0, 0.0
    widths = [len(cells) for cells in lines]
    if not widths or max(widths) < 2:
        return 0.0, 0.0
    usual = max(set(widths), key=lambda width: (width > 1, widths.count(width)))
    cells = [cell for line in lines if len(line) == usual for cell in line]
    decimal = decimal_mark(cells)
    return widths.count(usual) / len(widths), sum(number(cell, decimal) is not None for cell in cells) / len(cells)


def _without_comments(lines: Lines) -> Lines:
    """Return the lines that do not start with #; without another header, the last such line above them is one."""
    at = next((at for at, (_, cells) in enumerate(lines) if not str(cells[0]).startswith("#")), len(lines))
    data = [line for line in lines[at:] if not str(line[1][0]).startswith("#")]
    if at and data and not is_header(data[0][1]) and len(lines[at - 1][1]) == len(data[0][1]):
        number_of_line, cells = lines[at - 1]
        return [(number_of_line, [str(cells[0]).lstrip("# "), *cells[1:]]), *data]
    return data
