"""Default margin, the loss difference that does not matter: what 5 % of C is worth.

It follows from how the lowest loss falls with C, and never from the noise, because then a noisier study would find more
arms equal.
"""

import math

import numpy as np

from fits.repeats.pairs import repeats
from fits.runs.select_arms import equal_D
from fits.runs.table import RunTable

SHARE = 0.05
"""Share of C whose worth is the margin."""


def margins(table: RunTable) -> dict[float, float]:
    """Return, for each budget C of `table`, what SHARE of C is worth there, nats per token.

    The local gradient is that of the lowest mean loss of an MoE arm with respect to ln C, between neighbouring budgets,
    on fresh data if there is any. Only budgets with several rates count, since the lowest of one rate is not an
    optimum. A budget where the loss does not fall has no margin; nor has a single budget, nor runs of equal D.
    """
    if not table.has("C") or equal_D(table):
        return {}
    routed, fresh = table.routed(), ~repeats(table)
    arms = table.only(routed & fresh if (routed & fresh).any() else routed)
    budgets = arms.by_budget() if len(arms) else {}
    budgets = {C: part for C, part in budgets.items() if len(np.unique(np.round(np.log(part.places()), 2))) > 1}
    if len(budgets) < 2:
        return {}
    lowest = [_lowest_mean(part) for part in budgets.values()]
    slopes = np.gradient(lowest, np.log(list(budgets)))
    return {C: -slope * math.log1p(SHARE) for C, slope in zip(budgets, slopes.tolist(), strict=True) if slope < 0}


def _lowest_mean(arms: RunTable) -> float:
    """Return the lowest mean loss over runs with the same rate and the same N (within 1 %)."""
    N = arms.numbers("N") if arms.has("N") else np.ones(len(arms))
    kinds = np.column_stack([np.round(arms.places(), 6), np.round(np.log(N), 2)])
    codes = np.unique(kinds, axis=0, return_inverse=True)[1].reshape(-1)
    return float((np.bincount(codes, weights=arms.numbers("loss")) / np.bincount(codes)).min())
