"""Diverged runs by activation rate: a minimum next to them is that of the runs that survived."""

from dataclasses import dataclass

import numpy as np

from fits.runs.same_budget import groups_of
from fits.runs.table import RunTable

SAME_RATE = 0.02
"""Relative difference up to which two runs have the same activation rate."""


@dataclass(frozen=True, kw_only=True)
class Diverged:
    """Runs of one activation rate that diverged, so they are in no fit."""

    r_a: float
    """Their activation rate."""
    n: int
    """How many diverged."""
    of: int
    """How many runs of this rate ended: diverged and finished."""

    def __str__(self) -> str:
        return f"{self.n} of {self.of} runs at r_a {self.r_a:.3g} diverged"


def diverged_runs(arms: RunTable) -> tuple[Diverged, ...]:
    """Return the diverged runs of the MoE arms by activation rate, lowest rate first."""
    lost = [one.r_a for one in arms.dropped if one.state == "diverged" and one.r_a is not None and one.r_a < 1 - 1e-9]
    kept = arms.rates() if arms.has("r_a") else np.empty(0)
    rates = np.array([*lost, *kept])
    groups, found = groups_of(rates, SAME_RATE), []
    for group in np.unique(groups[: len(lost)]):
        of = int((groups == group).sum())
        n = int((groups[: len(lost)] == group).sum())
        found.append(Diverged(r_a=float(np.median(rates[groups == group])), n=n, of=of))
    return tuple(found)
