"""Numbers as tables write them: `50M`, `18.9 B`, `49,999,999`, `7,19`, `2.00×10¹⁹`, `5 %`, and words for no number.

decimal = decimal_mark(texts)
values = [number(text, decimal) for text in texts]
"""

import math
import re
from collections.abc import Iterable
from typing import Any, Literal

Decimal = Literal[".", ",", ""]
"""The decimal mark of a table. Empty: the cells contradict each other, so `1,5`, `1,234` and `1.234` are not read."""

MISSING = frozenset({"", "nan", "n/a", "n.a.", "na", "#n/a", "null", "none", "nil", "-", "--", "—", "–", "?", "<na>"})
"""Words of a cell that has no value, in lower case."""
FAILED = frozenset(
    {"diverged", "divergence", "diverge", "oom", "out of memory", "failed", "crashed", "inf", "infinity"}
)
"""Words that stand for the loss of a run that failed, in lower case."""

_SUFFIXES = {"": 1.0, "%": 0.01, "k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
_SUFFIXES |= {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_ERRORS = frozenset({"DIV/0", "VALUE", "REF", "NUM", "NAME", "NULL", "N/A"})
"""Errors of a spreadsheet, without their signs."""
_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<digits>\d(?:[\d.,_'’ ]*\d)?[.,]?|[.,]\d+)(?:[eE](?P<exponent>[+-]?\d+))?"
    r"(?:\s*[×x·*]\s*10\s*(?:\^|\*\*)\s*(?P<power>[+-]?\d+))?\s*(?P<suffix>%|[A-Za-z]*)"
)
_POWER = re.compile(r"10\s*(?:\^|\*\*)\s*([+-]?\d+)")
_REMARK = re.compile(r"\s+\((?=[^()]*[A-Za-z])[^()]*\)$")
"""A remark in brackets behind a number; a number in brackets, such as a standard error, is not a remark."""
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_SIGNS = str.maketrans({"−": "-", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "$": "", "{": "", "}": ""})
_GROUPED = {mark: re.compile(rf"\d{{1,3}}(?:{re.escape(mark)}\d{{3}})+") for mark in ",._'’ "}


def number(cell: Any, decimal: Decimal = ".") -> float | None:
    """Return the number that `cell` writes, or None if it writes none, or one that could be read in two ways."""
    if not isinstance(cell, str):
        return _as_float(cell)
    text = cell.strip()
    if decimal == "." and _PLAIN.fullmatch(text):
        return _finite(text)
    text = _ascii(text)
    if power := _POWER.fullmatch(text):
        return _finite(f"1e{power[1]}")
    found = _NUMBER.fullmatch(text)
    if not found or _factor(found["suffix"]) is None or (found["exponent"] and found["power"]):
        return None
    digits = _digits(found["digits"], decimal)
    if digits is None:
        return None
    value = _finite(f"{found['sign']}{digits}e{found['exponent'] or found['power'] or 0}")
    return None if value is None else value * (_factor(found["suffix"]) or 1.0)


def is_missing(cell: Any) -> bool:
    """Return whether `cell` has no value: None, NaN, empty text, or a word such as N/A."""
    if isinstance(cell, str):
        return _bare(cell) in MISSING or (cell.startswith("#") and cell.strip("#!?").upper() in _ERRORS)
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def is_failure(cell: Any) -> bool:
    """Return whether `cell` says that the run failed, such as `diverged`, or a NaN with a remark."""
    return isinstance(cell, str | float) and _bare(str(cell)) in FAILED


def _bare(cell: str) -> str:
    return _REMARK.sub("", cell.strip()).lower()


def decimal_mark(cells: Iterable[Any], *, grouped: bool = True) -> Decimal:
    """Return the decimal mark of a table, decided by the cells that can be read in one way only.

    `grouped` says how to read `1,234` where no cell decides: as 1234, or not at all.
    """
    point = comma = unclear = False
    for cell in cells:
        if not isinstance(cell, str) or not ("." in cell or "," in cell):
            continue
        found = _NUMBER.fullmatch(_ascii(cell.strip()))
        if not found or _factor(found["suffix"]) is None:
            continue
        digits = found["digits"]
        as_point, as_comma = _digits(digits, "."), _digits(digits, ",")
        point |= as_point is not None and as_comma is None
        comma |= as_comma is not None and as_point is None
        unclear |= "," in digits and as_point is not None and as_comma is not None
    if comma:
        return "" if point else ","
    return "." if point or grouped or not unclear else ""


def _factor(suffix: str) -> float | None:
    """Return the factor of a suffix, None for an unknown one; words such as Million may have capitals."""
    return _SUFFIXES.get(suffix if len(suffix) < 2 else suffix.lower())


def _ascii(text: str) -> str:
    """Return the text with plain signs: `~2×10¹⁹ (estimate)` becomes `2×10^19`."""
    text = _REMARK.sub("", text.lstrip("~≈"))
    text = text.translate(_SIGNS).replace("\\times", "×").replace("\\cdot", "·").strip()
    return re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+", lambda run: "^" + run[0].translate(_SUPERSCRIPTS), text)


def _digits(text: str, decimal: Decimal) -> str | None:
    """Return digits with a decimal point and without grouping, or None if they are not grouped by threes."""
    mark = decimal or "."
    other = "," if mark == "." else "."
    if not decimal and ("," in text or _GROUPED["."].fullmatch(text)):
        return None
    whole, _, fraction = text.partition(mark)
    if fraction and not fraction.isdigit():
        return None
    for group in (other, "_", "'", "’", " "):
        if group in whole:
            if not _GROUPED[group].fullmatch(whole) or whole.startswith("0"):
                return None
            whole = whole.replace(group, "")
    return f"{whole}.{fraction}" if (whole + fraction).isdigit() else None


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _as_float(cell: Any) -> float | None:
    try:
        value = float(cell)
    except (TypeError, ValueError, OverflowError):
        return None
    return None if math.isnan(value) else value
