"""Conditions on the runs of a table, such as `N>=1e8`, `State==finished`, `val/loss<8` or `arm in K1,K2`."""

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from fits.runs.columns.cells import Decimal, is_missing, number
from planners.records.errors import UsageError

_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "!=": operator.ne,
    "==": operator.eq,
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
}
_SIGN = re.compile(r"\s*(<=|>=|!=|==|=|<|>|not\s+in\b|in\b)\s*(.+?)\s*")
_UNKNOWN = re.compile(r"\s*(.+?)\s*(?:<=|>=|!=|==|=|<|>|\snot\s+in\s|\sin\s)\s*\S.*")


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One comparison of a column with a value, or with several."""

    text: str
    """As the user wrote it."""
    column: str
    """The column that it reads."""
    sign: str
    """One of < <= > >= = == != in, or `not in`."""
    values: tuple[str, ...]
    """The values; one unless the sign is `in` or `not in`."""

    def meets(self, cells: Sequence[Any], decimal: Decimal = ".") -> list[bool]:
        """Return which cells meet the condition; an empty cell meets only != and `not in`.

        Cells and values are compared as numbers where both are numbers, otherwise as text. Raises UsageError for an
        order, such as <, of a column of text or a value that is not a number.
        """
        numeric = [number(cell, decimal) for cell in cells]
        if self.sign in ("<", "<=", ">", ">="):
            return self._ordered(numeric)
        wanted = [number(value) for value in self.values]
        if all(value is None for value in wanted) and _are_numbers(cells, numeric):
            raise UsageError(f"condition {self.text!r}: {self.values[0]!r} is not a number, but {self.column} is one")
        pairs = list(zip(self.values, wanted, strict=True))
        found = [any(_equal(*pair, *cell) for pair in pairs) for cell in zip(cells, numeric, strict=True)]
        return [hit != (self.sign in ("!=", "not in")) for hit in found]

    def _ordered(self, numeric: list[float | None]) -> list[bool]:
        if numeric and all(cell is None for cell in numeric):
            raise UsageError(f"condition {self.text!r}: {self.column} is text, so only =, != and in can be used")
        value = number(self.values[0])
        if value is None:
            raise UsageError(f"condition {self.text!r}: {self.values[0]!r} is not a number such as 3e18, 100M or 2.9B")
        return [cell is not None and bool(_SIGNS[self.sign](cell, value)) for cell in numeric]


def parse_condition(text: str, names: Iterable[str], source: str = "table") -> Condition:
    """Return the condition that `text` writes about one of the columns `names`, which may hold any sign.

    Raises UsageError if it cannot be read or names an unknown column.
    """
    stripped = text.strip()
    for name in sorted(names, key=len, reverse=True):
        found = _SIGN.fullmatch(stripped, len(name)) if name and stripped.startswith(name) else None
        if found:
            sign = " ".join(found[1].split())
            values = _listed(found[2]) if sign in ("in", "not in") else (_bare(found[2]),)
            return Condition(text=text, column=name, sign=sign, values=values)
    unknown = _UNKNOWN.fullmatch(stripped)
    if not unknown:
        signs = "< <= > >= == != in"
        raise UsageError(f"condition {text!r} is not COLUMN, one of {signs}, and a value, such as C>=1e18")
    there = ", ".join(map(str, names)) or "none"
    raise UsageError(f"condition {text!r}: {source} has no column {unknown[1]}; it has {there}")


def _are_numbers(cells: Sequence[Any], numeric: Sequence[float | None]) -> bool:
    """Return whether every cell with a value is a number."""
    return any(value is not None for value in numeric) and all(
        value is not None or is_missing(cell) for cell, value in zip(cells, numeric, strict=True)
    )


def _equal(text: str, value: float | None, cell: Any, numeric: float | None) -> bool:
    return numeric == value if value is not None and numeric is not None else str(cell).strip() == text


def _listed(text: str) -> tuple[str, ...]:
    return tuple(_bare(item) for item in text.strip().strip("()[]").split(",") if item.strip())


def _bare(text: str) -> str:
    """Return the text without quotes around it."""
    text = text.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text
