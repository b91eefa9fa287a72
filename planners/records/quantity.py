"""Numbers as the field writes them: `3e18`, `100M`, `2.9B`, comma lists."""

import math
import re

from planners.records.errors import UsageError

_SUFFIXES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
_MOST = 10**9
"""Largest count that is accepted."""
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([A-Za-z]*)")


def parse_quantity(text: str, name: str = "value", *, zero: bool = False) -> float:
    """Return the positive finite number that `text` writes, e.g. `100M` -> 1e8.

    Suffixes: k, M, B (or G), T. Raises UsageError for anything else, for negative and infinite numbers, and for zero
    unless `zero` allows it.
    """
    match = _NUMBER.fullmatch(text.strip())
    if match is None or match[2] not in _SUFFIXES:
        raise UsageError(f"{name} {text!r} is not a number such as 3e18, 100M or 2.9B")
    number = float(match[1]) * _SUFFIXES[match[2]]
    if not (math.isfinite(number) and (1e-300 < number < 1e300 or (zero and number == 0))):
        raise UsageError(f"{name} {text!r} must be a positive, finite number{' or 0' * zero}")
    return abs(number)


def parse_quantities(text: str, name: str = "value") -> tuple[float, ...]:
    """Return the numbers of a comma list, in the order given and without repeats."""
    return tuple(dict.fromkeys(parse_quantity(item, name) for item in text.split(",")))


def parse_counts(text: str, name: str = "value", *, least: int = 0) -> tuple[int, ...]:
    """Return the whole numbers of a comma list, each at least `least`, without repeats."""
    return tuple(dict.fromkeys(_count(item.strip(), name, least) for item in text.split(",")))


def _count(text: str, name: str, least: int) -> int:
    """Return one whole number, written `4096`, `4k` or `4e3`."""
    match = _NUMBER.fullmatch(text)
    number = float(match[1]) * _SUFFIXES.get(match[2], math.nan) if match else math.nan
    if not (number.is_integer() and least <= number <= _MOST):
        raise UsageError(f"{name} {text!r} is not a whole number of at least {least} and at most {_MOST:,}")
    return int(number)


def parse_count(text: str, name: str = "value", *, least: int = 1) -> int:
    """Return the one whole number of `text`, at least `least`."""
    counts = parse_counts(text, name, least=least)
    if len(counts) > 1:
        raise UsageError(f"{name} {text!r} is a list; give one number")
    return counts[0]


def format_flops(number: float) -> str:
    """Write compute as the field does: 1e11 -> `1e11`, 30e12 -> `3e13`, with three significant digits."""
    mantissa, exponent = f"{number:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def format_quantity(number: float | None, digits: int = 3) -> str:
    """Write `number` with a suffix and `digits` significant digits (`2.96e5` -> `296k`); beyond 1e15 as `1e18`."""
    if number is None:
        return "-"
    if number == 0 or not math.isfinite(number):
        return f"{number:g}"
    if abs(number) >= 1e15 or abs(number) < 1e-3:
        return f"{number:.{digits}g}".replace("e+", "e")
    for suffix, unit in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(number) >= unit:
            return f"{float(f'{number / unit:.{digits}g}'):g}{suffix}"
    return f"{number:.{digits}g}"
