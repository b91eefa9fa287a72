"""Numbers as text: one way to write each quantity, in sentences, tables and figures.

A minus is a minus sign and not a hyphen.
"""

from collections.abc import Callable, Iterable
from typing import Any

from planners.records.quantity import format_flops, format_quantity

flops = format_flops
"""Writes compute: 1e11 is `1e11`, 30e12 is `3e13`."""


def percent(share: float) -> str:
    """Return a share with three significant digits.

    >>> percent(0.1716)
    '17.2 %'
    """
    return f"{100 * share:.3g} %"


def residual(share: float) -> str:
    """Return a relative difference with its sign.

    >>> residual(0.00145)
    '+0.14 %'
    """
    text = f"{100 * share:+.2f}" if abs(share) >= 5e-5 else f"{100 * share:+.1g}"
    return f"{text} %".replace("-", "−") if share else "0 %"


def nats(loss: float) -> str:
    """Return a difference of losses: four decimals, five below 0.001, an exponent below 0.0001.

    >>> nats(-0.0025), nats(0.00042)
    ('−0.0025', '0.00042')
    """
    size, sign = abs(loss), "−" if loss < 0 else ""
    digits = 4 if size >= 1e-3 or loss == 0 else 5
    return sign + (f"{size:.{digits}f}" if digits == 4 or size >= 1e-4 else f"{size:.2e}")


def whole(number: float) -> str:
    """Return a count in full.

    >>> whole(296296)
    '296,296'
    """
    return f"{number:,.0f}"


def general(digits: int) -> Callable[[Any], str]:
    """Return a function that writes a number with `digits` significant digits and no suffix."""
    return lambda number: f"{number:.{digits}g}".replace("-", "−", int(number < 0))


def fixed(digits: int) -> Callable[[Any], str]:
    """Return a function that writes a number with `digits` decimals."""
    return lambda number: f"{number:.{digits}f}".replace("-", "−")


def signed(digits: int) -> Callable[[Any], str]:
    """Return a function that writes a number with its sign and `digits` decimals.

    >>> signed(2)(-0.5)
    '−0.50'
    """
    return lambda number: f"{number:+.{digits}f}".replace("-", "−")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "run"), counted(3, "run")
    ('1 run', '3 runs')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(items: Iterable[str], most: int = 12) -> str:
    """Return names joined with commas; those beyond the first `most` are counted."""
    names = list(items)
    rest = len(names) - most
    return ", ".join(names) if rest <= 0 else ", ".join(names[:most]) + f" and {rest} more"


def span(values: Iterable[float], write: Callable[[float], str] = format_quantity) -> str:
    """Return the range of `values`: `low to high`, or one number where both read the same."""
    numbers = list(values)
    low, high = write(min(numbers)), write(max(numbers))
    return low if low == high else f"{low} to {high}"


def sentence(text: str) -> str:
    """Return `text` with a capital at its start and a full stop at its end."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
