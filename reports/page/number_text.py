"""Numbers as text: one way to write each quantity, in sentences, tables and figures alike."""

from collections.abc import Callable, Iterable
from typing import Any

from planners.records.quantity import format_flops, format_quantity

flops = format_flops
"""Write compute: 1e11 -> `1e11`, 30e12 -> `3e13`."""


def percent(share: float) -> str:
    """Write a share with three significant digits: 0.1716 -> `17.2 %`."""
    return f"{100 * share:.3g} %"


def residual(share: float) -> str:
    """Write a relative difference with its sign: 0.00145 -> `+0.15 %`; a minus is a minus and no hyphen."""
    text = f"{100 * share:+.2f}" if abs(share) >= 5e-5 else f"{100 * share:+.1g}"
    return f"{text} %".replace("-", "−") if share else "0 %"


def nats(loss: float) -> str:
    """Write a difference of losses, which may be small: four decimals, five below 0.001, an exponent below 0.0001."""
    digits = 4 if abs(loss) >= 1e-3 or loss == 0 else 5
    return f"{loss:.{digits}f}" if digits == 4 or abs(loss) >= 1e-4 else f"{loss:.2e}"


def whole(number: float) -> str:
    """Write a count in full: 296296 -> `296,296`."""
    return f"{number:,.0f}"


def general(digits: int) -> Callable[[Any], str]:
    """Return a writer of `digits` significant digits that uses no suffix."""
    return lambda number: f"{number:.{digits}g}"


def fixed(digits: int) -> Callable[[Any], str]:
    """Return a writer of `digits` decimals."""
    return lambda number: f"{number:.{digits}f}"


def signed(digits: int) -> Callable[[Any], str]:
    """Return a writer of `digits` decimals with the sign in front; a minus is a minus sign and not a hyphen.

    >>> signed(2)(-0.5)
    '−0.50'
    """
    return lambda number: f"{number:+.{digits}f}".replace("-", "−")


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: `1 run`, `3 runs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def listed(items: Iterable[str], most: int = 12) -> str:
    """Join names with commas; beyond `most` the rest is counted."""
    names = list(items)
    rest = len(names) - most
    return ", ".join(names) if rest <= 0 else ", ".join(names[:most]) + f" and {rest} more"


def span(values: Iterable[float], write: Callable[[float], str] = format_quantity) -> str:
    """Write the range of `values`: `x` where all read the same, else `low to high`."""
    numbers = list(values)
    low, high = write(min(numbers)), write(max(numbers))
    return low if low == high else f"{low} to {high}"


def sentence(text: str) -> str:
    """Return `text` with a capital at its start and a full stop at its end."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
