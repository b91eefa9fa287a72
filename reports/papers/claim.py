"""What a paper claims, what its own numbers say when they are refitted, and the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass

from reports.page.table import VERDICT, Table, text

AGREES, DIFFERS, CANNOT = "agrees", "differs", "cannot be told"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One sentence of a paper with its verdict."""

    says: str
    """What the paper says, in our words."""
    where: str
    """Its figure or table."""
    found: str
    """What its numbers say when they are refitted."""
    verdict: str
    """agrees, differs, or cannot be told."""
    by: str = ""
    """The rule that decides the verdict."""


def claims_table(
    claims: Sequence[Claim],
    *,
    name: str = "claims",
    title: str = "Paper and numbers",
    note: str = "Each verdict is computed from the shipped rows when this page is made.",
    says: str = "says",
    section: str = "",
) -> Table:
    """Return one row a claim. `says` is the CSV name of the first column; the rule has a column where one is given."""
    by = (text("by", "judged by"),) if any(claim.by for claim in claims) else ()
    columns = (text(says, "the paper says"), VERDICT, *by, text("found", "its numbers, refitted"), text("where"))
    rows = [(c.says, c.verdict, *((c.by,) if by else ()), c.found, c.where) for c in claims]
    return Table(name=name, title=title, section=section, note=note, columns=columns, rows=tuple(rows))


def either(holds: bool) -> str:
    """Return the verdict on a claim that the numbers decide either way."""
    return AGREES if holds else DIFFERS


def below_zero(value: float, half: float) -> str:
    """Return the verdict on the claim that a difference is below zero; `half` is half of its 95 % interval."""
    return AGREES if value + half < 0 else DIFFERS if value - half > 0 else CANNOT


def every_below_zero(values: Sequence[float], half: float) -> str:
    """Return the verdict on the claim that every difference is below zero, each known to +- `half`."""
    verdicts = {below_zero(value, half) for value in values}
    return next(verdict for verdict in (DIFFERS, CANNOT, AGREES) if verdict in verdicts)
