"""Select the runs that a curve is fitted to: MoE arms of one budget, equal in what they must share, seeds as blocks."""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fits.runs.same_budget import BUDGET_TOLERANCE, groups_of
from fits.runs.table import Floats, RunTable
from fits.status import Cause, Why
from planners.records.errors import UsageError

AXES = ("r_a", "top_k", "granularity", "N")
"""Columns that a curve may be drawn over."""
MOST_SEEDS = 200
"""Number of seeds above which seeds are not blocks: such a column numbers the runs."""
DRIFT = 0.02
"""Relative spread of a quantity between arms above which a note says that it is not equal."""
SHARED = {"r_a": ("C", "N", "top_k"), "top_k": ("C", "N"), "granularity": ("C", "N", "top_k"), "N": ("C",)}
"""Quantities that must be equal in all runs at one x, by the column of the curve."""
SAME_X = 0.01
"""Difference of ln r_a (or ln K) up to which two runs have one position."""
COMPUTE = "C was computed as 6 N_a D, because the table has no column C"
"""Remark on a table without a column C."""
STEADY = {"r_a": ("N", "C"), "top_k": ("N", "C", "r_a"), "granularity": ("N", "C", "r_a"), "N": ("C",)}
"""Quantities that should be equal in all arms; a note says where they are not."""


def positions(arms: RunTable, of: str) -> Floats:
    """Return x, the logarithm of the column `of`, shape (n,). Raises UsageError for a column outside AXES."""
    if of not in AXES:
        raise UsageError(f"a curve over {of!r} is not known; choose one of {', '.join(AXES)}")
    return np.log(arms.rates() if of == "r_a" else arms.numbers(of))


def by_position(arms: RunTable, of: str) -> list[RunTable]:
    """Return the runs at each value of the column `of`, lowest first."""
    x = positions(arms, of) if len(arms) else np.empty(0)
    order = np.sort(x)
    starts = [*order[:1], *order[1:][np.diff(order) > SAME_X]]
    codes = np.searchsorted(starts, x, side="right")
    return [arms.only(codes == code) for code in np.unique(codes)]


def with_compute(table: RunTable) -> RunTable:
    """Return the table with C = 6 N_a D and a remark, where it has no column C but N (or N_a), r_a and D.

    Over N, a table without N_a and r_a holds dense models, whose N_a is N.
    """
    known = table.has("N_a") or (table.has("N") and (table.has("r_a") or table.over == "N"))
    if table.has("C") or not table.has("D") or not known:
        return table
    rates = table.rates() if table.has("r_a") else 1.0
    N_a = table.numbers("N_a") if table.has("N_a") else table.numbers("N") * rates
    frame = table.frame.assign(C=6 * N_a * table.numbers("D"))
    return replace(table, frame=frame, remarks=(*table.remarks, COMPUTE))


def equal_D(table: RunTable) -> bool:
    """Return whether D, and not C, is what the runs share: they fall into fewer groups of it."""
    if table.over == "N" or not (table.has("C") and table.has("D")):
        return False
    return bool(groups_of(table.numbers("D")).max() < groups_of(table.numbers("C")).max())


def no_question(arms: RunTable, of: str) -> Cause | None:
    """Return why the runs do not ask for an optimum: at equal D more active parameters also cost more C."""
    arms = with_compute(arms)
    if of == "granularity" or not len(arms) or not equal_D(arms):
        return None
    C, D = arms.numbers("C"), arms.numbers("D")
    return Why.EQUAL_D.because(of=of, D=float(np.median(D)), low=float(C.min()), high=float(C.max()))


def one_budget(arms: RunTable, x: Floats, of: str) -> None:
    """Raise UsageError if runs at one x differ in C, N or K, or without a C in D: they belong to several curves."""
    by_budget, one = "fit them one by one with table.by_budget()", "fit the rows of each on their own"
    for column in SHARED[of] if arms.has("C") else ("D", *SHARED[of]):
        values = arms.numbers(column) if arms.has(column) else np.ones_like(x)
        for place in np.unique(np.round(x, 2)):
            same = values[np.round(x, 2) == place]
            if same.max() > same.min() * (1 + BUDGET_TOLERANCE):
                spread = f"{column} {same.min():.3g} to {same.max():.3g}"
                remedy = by_budget if column == "C" else one
                raise UsageError(f"{arms.source} holds {of} {math.exp(place):.3g} at several {spread}; {remedy}")


def about(table: RunTable, arms: RunTable, of: str) -> list[str]:
    """Return notes on the dense runs that were left out and on quantities that differ between the arms."""
    notes = list(table.remarks)
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
