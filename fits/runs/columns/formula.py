"""Formulas of columns, such as `tokens (B)*1e9`, `ln(ppl)` or `C/(6*N)`; a column name may hold any sign.

formula = parse_formula("tokens (B)*1e9", names)
formula.value({"tokens (B)": 20.0})
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from planners.records.errors import UsageError
from planners.records.quantity import parse_quantity

_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "ln": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "exp": math.exp,
}
_OPERATORS: dict[str, Callable[[float, float], float]] = {
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
}
_CONSTANT = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[kKMBGT]?(?![\w(])")
_CALL = re.compile(rf"({'|'.join(_FUNCTIONS)})\s*\(")
_DEEPEST = 50
"""Brackets within brackets that are read."""

Value = Callable[[Mapping[str, float]], float]


@dataclass(frozen=True, kw_only=True)
class Formula:
    """A formula of columns."""

    text: str
    """As the user wrote it."""
    columns: tuple[str, ...]
    """The columns that it reads."""
    plain: bool
    """Whether it is just the name of a column."""
    value: Value
    """The value for one row, from column to number; it may raise ArithmeticError or ValueError."""


def parse_formula(text: str, names: Iterable[str], source: str = "table") -> Formula:
    """Return the formula that `text` writes with the columns `names`.

    It may hold * / + - and brackets, the functions ln, log2, log10 and exp, and numbers such as 1e9 or 2M. Raises
    UsageError for anything else, such as a column that does not exist.
    """
    text, names = text.strip(), list(names)
    if text in names:
        return Formula(text=text, columns=(text,), plain=True, value=lambda row: row[text])
    reader = _Reader(text, names, source)
    value = reader.sum()
    if reader.at < len(text):
        raise reader.wrong()
    return Formula(text=text, columns=tuple(dict.fromkeys(reader.used)), plain=False, value=value)


class _Reader:
    """Reads a formula from left to right; a sum holds products, a product holds terms."""

    def __init__(self, text: str, names: list[str], source: str) -> None:
        self.text, self.names, self.source = text, sorted(names, key=len, reverse=True), source
        self.at, self.depth = 0, 0
        self.used: list[str] = []

    def sum(self) -> Value:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise UsageError(f"{self.text[:40]!r} has too many brackets; write it with fewer")
        value = self._chain("+-", lambda: self._chain("*/", self.term))
        self.depth -= 1
        return value

    def _chain(self, signs: str, part: Callable[[], Value]) -> Value:
        value = part()
        while sign := self.take(signs):
            value = _joined(_OPERATORS[sign], value, part())
        return value

    def take(self, signs: str) -> str:
        self.skip()
        if self.at < len(self.text) and self.text[self.at] in signs:
            self.at += 1
            return self.text[self.at - 1]
        return ""

    def term(self) -> Value:
        self.skip()
        name = next((name for name in self.names if self._is_here(name)), None)
        if name is not None:
            self.at += len(name)
            self.used.append(name)
            return lambda row: row[name]
        if call := _CALL.match(self.text, self.at):
            self.at = call.end()
            return _applied(_FUNCTIONS[call[1]], self._bracket())
        if self.take("("):
            return self._bracket()
        constant = _CONSTANT.match(self.text, self.at)
        if not constant:
            raise self.wrong()
        self.at = constant.end()
        fixed = parse_quantity(constant[0], f"the number in {self.text!r}", zero=True)
        return lambda row: fixed

    def _bracket(self) -> Value:
        value = self.sum()
        if not self.take(")"):
            raise UsageError(f"{self.text!r} lacks a closing bracket; add it")
        return value

    def _is_here(self, name: str) -> bool:
        """Return whether a whole name stands here: `N` does not stand in `N_a`."""
        end = self.at + len(name)
        if not name or not self.text.startswith(name, self.at):
            return False
        return end == len(self.text) or not (_wordlike(name[-1]) and _wordlike(self.text[end]))

    def skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def wrong(self) -> UsageError:
        rest = self.text[self.at :].strip()
        word = re.split(r"[*/+]| - ", rest)[0].strip() or rest or self.text
        there = ", ".join(sorted(self.names)) or "none"
        what = f"{self.source} has no column {word!r}"
        return UsageError(f"{what}; it has {there}; a formula may use * / + - ( ) ln log2 log10 exp and numbers")


def _wordlike(sign: str) -> bool:
    return sign.isalnum() or sign == "_"


def _joined(operator: Callable[[float, float], float], left: Value, right: Value) -> Value:
    return lambda row: operator(left(row), right(row))


def _applied(function: Callable[[float], float], inner: Value) -> Value:
    return lambda row: function(inner(row))
