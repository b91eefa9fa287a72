"""Select the runs that a curve is fitted to: MoE arms of one budget, equal in what they must share, seeds as blocks."""

import math

import numpy as np
from numpy.typing import NDArray

from fits.runs.budgets import BUDGET_TOLERANCE
from fits.runs.table import Floats, RunTable
from planners.records.errors import UsageError

AXES = ("r_a", "top_k", "granularity")
"""Columns that a curve may be drawn over."""
MOST_SEEDS = 200
"""Number of seeds above which seeds are not blocks: such a column numbers the runs."""
DRIFT = 0.02
"""Relative spread of a quantity between arms above which a note says that it is not equal."""
SHARED = {"r_a": ("C", "N", "top_k"), "top_k": ("C", "N"), "granularity": ("C", "N", "top_k")}
"""Quantities that must be equal in all runs at one x, by the column of the curve."""
STEADY = {"r_a": ("N", "C"), "top_k": ("N", "C", "r_a"), "granularity": ("N", "C", "r_a")}
"""Quantities that should be equal in all arms; a note says where they are not."""


def positions(arms: RunTable, of: str) -> Floats:
    """Return x, the logarithm of the column `of`, shape (n,). Raises UsageError for a column outside AXES."""
    if of not in AXES:
        raise UsageError(f"a curve over {of!r} is not known; choose one of {', '.join(AXES)}")
    return np.log(arms.rates() if of == "r_a" else arms.numbers(of))


def one_budget(arms: RunTable, x: Floats, of: str) -> None:
    """Raise UsageError if runs at one x differ in C, N or K: they belong to several curves."""
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
    """Return notes on the dense runs that were left out and on quantities that differ between the arms."""
    notes = []
    dense = len(table) - len(arms)
    if dense:
        runs = "1 dense run" if dense == 1 else f"{dense} dense runs"
        notes.append(f"{runs} left out: a dense model is another architecture, so it is not on the curve")
    for column in STEADY[of]:
        if len(arms) and arms.has(column):
            values = arms.numbers(column)
            drift = float(values.max() / values.min() - 1)
            if drift > DRIFT:
                notes.append(f"{column} differs by {drift:.1%} between arms; the curve cannot separate it from {of}")
    return notes


def seed_blocks(table: RunTable) -> Floats:
    """Return the columns of one intercept per seed, summing to zero, shape (n, seeds - 1).

    There are no columns for a single seed, nor for more than MOST_SEEDS. Raises UsageError if only some runs have a
    seed.
    """
    if not table.has("seed"):
        return np.empty((len(table), 0))
    if table.frame["seed"].isna().any():
        row = table.frame.index[table.frame["seed"].isna()][0]
        raise UsageError(
            f"row {row} of {table.source} has no seed, but other rows have one; fill it in or remove the column"
        )
    codes = seed_codes(table)
    if codes.max() >= MOST_SEEDS:
        return np.empty((len(table), 0))
    member = (codes[:, None] == np.arange(codes.max() + 1)).astype(float)  # (n, seeds)
    return np.asarray(member[:, :-1] - member[:, -1:])


def seed_codes(table: RunTable) -> NDArray[np.intp]:
    """Return the number of each run's seed, counted from 0, shape (n,); all are 0 if the table has no seeds."""
    if not table.has("seed"):
        return np.zeros(len(table), int)
    return np.unique(table.frame["seed"].astype(str).to_numpy(str), return_inverse=True)[1].reshape(-1)
