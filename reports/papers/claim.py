"""A sentence of a paper beside what the paper's own numbers say of it."""

from collections.abc import Sequence
from dataclasses import dataclass

AGREES, DIFFERS, CANNOT = "agrees", "differs", "cannot be told"
VERDICTS = (AGREES, DIFFERS, CANNOT)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One sentence."""

    says: str
    """What the paper says, in our words."""
    where: str
    """Its figure or table."""
    found: str
    """What its numbers say when refitted."""
    verdict: str
    """agrees, differs, or cannot be told."""
    by: str = ""
    """What the verdict is judged by."""


def either(holds: bool) -> str:
    """Return the verdict on a sentence that the numbers decide."""
    return AGREES if holds else DIFFERS


def every_below_zero(values: Sequence[float], half: float) -> str:
    """Return the verdict on a sentence that holds where each difference is below zero, each known to +- `half`."""
    verdicts = {below_zero(value, half) for value in values}
    return next(verdict for verdict in (DIFFERS, CANNOT, AGREES) if verdict in verdicts)


def below_zero(value: float, half: float) -> str:
    """Return the verdict on a sentence that holds where a difference is below zero, from its 95 % interval."""
    return AGREES if value + half < 0 else DIFFERS if value - half > 0 else CANNOT
