"""The runs that a curve is fitted to: the MoE arms of one budget, what they must share, and their seeds as blocks."""

import math

import numpy as np
from numpy.typing import NDArray

from fits.runs.budgets import BUDGET_TOLERANCE
from fits.runs.table import Floats, RunTable
from planners.records.errors import UsageError

AXES = ("r_a", "top_k", "granularity")
"""Columns that a curve may be drawn over."""
MOST_SEEDS = 200
"""Seeds beyond which they are no blocks: a column that numbers the runs is no seed."""
DRIFT = 0.02
"""Relative spread of N or C between arms above which a note says that they are not equal."""
SHARED = {"r_a": ("C", "N", "top_k"), "top_k": ("C", "N"), "granularity": ("C", "N", "top_k")}
"""What runs at one x must share; the rate may differ along K and along granularity only as far as a note says."""
STEADY = {"r_a": ("N", "C"), "top_k": ("N", "C", "r_a"), "granularity": ("N", "C", "r_a")}
"""What all arms should share."""


def positions(arms: RunTable, of: str) -> Floats:
    """Return x, the logarithm of the column `of`, shape (n,). Raises UsageError for a column that is no axis."""
    if of not in AXES:
        raise UsageError(f"a curve over {of!r} is not known; choose one of {', '.join(AXES)}")
    return np.log(arms.rates() if of == "r_a" else arms.numbers(of))


def one_budget(arms: RunTable, x: Floats, of: str) -> None:
    """Refuse one x at several C, N or K: one curve through several budgets, sizes or kinds means nothing."""
    by_budget, one = "fit them one by one with table.by_budget()", "fit the rows of each on their own"
    for column in SHARED[of]:
        values = arms.numbers(column) if arms.has(column) else np.ones_like(x)
        for place in np.unique(np.round(x, 2)):
            same = values[np.round(x, 2) == place]
            if same.max() > same.min() * (1 + BUDGET_TOLERANCE):
                spread = f"{column} {same.min():.3g} to {same.max():.3g}"
                remedy = by_budget if column == "C" else one
                raise UsageError(f"{arms.source} holds {of} {math.exp(place):.3g} at several {spread}; {remedy}")


def about(table: RunTable, arms: RunTable, of: str) -> list[str]:
    """Return notes on what was left out, and on what is not equal between the arms."""
    notes = []
    dense = len(table) - len(arms)
    if dense:
        runs = "1 dense run" if dense == 1 else f"{dense} dense runs"
        notes.append(f"{runs} left out: a dense model is another architecture and is not on the curve")
    for column in STEADY[of]:
        if len(arms) and arms.has(column):
            values = arms.numbers(column)
            drift = float(values.max() / values.min() - 1)
            if drift > DRIFT:
                notes.append(f"{column} differs by {drift:.1%} between arms, which the curve cannot tell from {of}")
    return notes


def seed_blocks(table: RunTable) -> Floats:
    """Return the columns of an intercept for each seed, summing to zero, shape (n, seeds - 1); no column for one seed,
    and none where there are more than MOST_SEEDS, which no plan has.

    Raises UsageError where some runs state their seed and others do not.
    """
    if not table.has("seed"):
        return np.empty((len(table), 0))
    if table.frame["seed"].isna().any():
        row = table.frame.index[table.frame["seed"].isna()][0]
        raise UsageError(f"row {row} of {table.source} has no seed while others have; fill it in or remove the column")
    codes = seed_codes(table)
    if codes.max() >= MOST_SEEDS:
        return np.empty((len(table), 0))
    member = (codes[:, None] == np.arange(codes.max() + 1)).astype(float)  # (n, seeds)
    return np.asarray(member[:, :-1] - member[:, -1:])


def seed_codes(table: RunTable) -> NDArray[np.intp]:
    """Return a number for the seed of each run, from 0, shape (n,); 0 for all where the table has none."""
    if not table.has("seed"):
        return np.zeros(len(table), int)
    return np.unique(table.frame["seed"].astype(str).to_numpy(str), return_inverse=True)[1].reshape(-1)
