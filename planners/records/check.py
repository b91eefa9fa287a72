"""The outcome of a check: one thing that could make an answer wrong, tested with numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that could make the answer wrong."""

    name: str
    """What was checked."""
    verdict: str
    """ok or warn."""
    evidence: str
    """One sentence with the numbers."""
