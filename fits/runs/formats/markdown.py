"""A Markdown table: lines between bars, with a ruler below the header."""

import re

from fits.runs.rows import Rows, named_rows

_RULER = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*")
_BAR = re.compile(r"(?<!\\)\|")


def is_markdown(text: str) -> bool:
    """Return whether a line with bars stands above a ruler such as |---|---|."""
    return _ruler(text.splitlines()) is not None


def read_markdown(text: str, source: str) -> Rows:
    """Return the rows of the first table of a Markdown text. Raises UsageError as `named_rows` does."""
    lines = text.splitlines()
    ruler = _ruler(lines) or 1
    table = [(ruler, _cells(lines[ruler - 1]))]
    for at, line in enumerate(lines[ruler + 1 :], ruler + 2):
        if "|" not in line:
            break
        table.append((at, _cells(line)))
    return Rows(rows=named_rows(table, source))


def _ruler(lines: list[str]) -> int | None:
    for at in range(1, len(lines)):
        if "|" in lines[at - 1] and "|" in lines[at] and "-" in lines[at] and _RULER.fullmatch(lines[at]):
            return at
    return None


def _cells(line: str) -> list[str]:
    """Return the cells without the signs of bold type and of code."""
    inner = line.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [re.sub(r"^(\*\*|__|`)(.*)\1$", r"\2", cell.strip()).replace("\\|", "|") for cell in _BAR.split(inner)]
