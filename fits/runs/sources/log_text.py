"""Text that a trainer prints: the last match of a pattern, without colours and without grouped digits."""

import re

_COLOURS = re.compile(r"\x1b\[[0-9;]*m|\[/?b?[ a-z]*\](?=[A-Z\s])")


def text_of(content: bytes) -> str:
    """Return the text of a log without the signs that colour it."""
    return _COLOURS.sub("", content.decode(errors="replace"))


def last(pattern: str, text: str) -> float | None:
    """Return the number in the first group of the last match, None without a match."""
    found = None
    for found in re.finditer(pattern, text, re.MULTILINE):  # noqa: B007
        pass
    return None if found is None else number(found[1])


def number(text: str) -> float | None:
    """Return a number such as 1,234 or 2.3E+00, None for anything else."""
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def times(a: float | None, b: float | None) -> float | None:
    """Return a product, None where a factor is unknown."""
    return None if a is None or b is None else a * b
