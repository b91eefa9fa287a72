"""The number of a run that a claim compares, and whether the run reached what the number measures."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Row = Mapping[str, Any]
"""One run as a row of `runs.csv`: its column -> its value; a number that the run does not have is missing or null."""


class Measured(NamedTuple):
    """A number of one run."""

    value: float
    """The number, or a lower bound where `reached` is false."""
    reached: bool = True
    """Whether the run reached what is measured."""


def measure(row: Row, column: str) -> Measured | None:
    """Return the number `column` of a finished run; None where it was not measured.

    A run that ended before it passed an exact match needs more tokens than it saw, so its number is a lower bound.
    """
    if row.get("state", "done") != "done":
        return None
    value = DERIVED[column](row) if column in DERIVED else row.get(column)
    if isinstance(value, int | float) and math.isfinite(value):
        return Measured(float(value))
    bound = next((of(row) for start, of in LOWER_BOUNDS.items() if column.startswith(start)), None)
    return None if bound is None else Measured(bound, reached=False)


def _tokens(row: Row) -> float | None:
    seen = row.get("D_seen")
    return float(seen) if seen else None


def _flops(row: Row) -> float | None:
    seen = _tokens(row)
    return seen * row["C"] / row["D"] if seen and row.get("C") and row.get("D") else None


def _seconds(row: Row) -> float | None:
    seen = _tokens(row)
    return seen / row["tokens_per_s"] if seen and row.get("tokens_per_s") else None


def _last_is_best(row: Row) -> float | None:
    if row.get("loss") is None:
        return None
    return float(row.get("best_loss") is None or row["loss"] <= row["best_loss"])


def _has_dead(row: Row) -> float | None:
    dead = row.get("routing.dead_experts")
    return None if dead is None else float(dead > 0)


DERIVED: dict[str, Callable[[Row], float | None]] = {"last_is_best": _last_is_best, "has_dead": _has_dead}
"""Columns that follow from others of the same row."""
LOWER_BOUNDS: dict[str, Callable[[Row], float | None]] = {
    "until.tokens_": _tokens,
    "until.flops_": _flops,
    "until.seconds_": _seconds,
}
"""Start of a column -> its lower bound in a run that ended before it got there."""
