"""Pairs of runs that differ only in unique tokens: a run that repeats its data, and the fresh run of the same arm."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fits.runs.same_budget import groups_of
from fits.runs.table import RunTable

SAME = ("N", "r_a", "D", "n_experts", "top_k", "d_expert", "lr", "batch_tokens", "seq_len", "weight_decay")
"""Columns in which both runs of a pair agree, so far as the table has them."""
TOLERANCE = 0.02
"""Relative difference up to which two values of such a column are equal: printed tables have three digits."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A run on repeated data and its fresh twin."""

    r_a: float | None
    """Activation rate; null if the table has none."""
    dense: bool
    """Whether the arm is dense."""
    seed: str | None
    """Their seed; null if the table has none."""
    D: float
    """Tokens that each of them consumed."""
    U: float
    """Unique tokens of the repeated run."""
    budget: int
    """Number of their budget in ascending order of C; 0 if the table has no C."""
    fresh: float
    """Loss on fresh data, nats per token."""
    repeated: float
    """Loss on repeated data."""

    @property
    def epochs(self) -> float:
        """D / U of the repeated run."""
        return self.D / self.U

    @property
    def excess(self) -> float:
        """Loss that repetition adds, nats per token."""
        return self.repeated - self.fresh


def has_pairs(table: RunTable) -> bool:
    """Whether `table` holds a run on repeated data with a fresh twin."""
    return knows_epochs(table) and bool(pairs_of(table)[0])


def knows_epochs(table: RunTable) -> bool:
    """Whether the table tells how often each run saw its data."""
    return table.has("D") and (table.has("U") or table.has("epochs"))


def repeats(table: RunTable) -> NDArray[np.bool_]:
    """Return which runs are known to repeat their data, shape (n,)."""
    if not (table.has("D") and table.has("U")):
        return np.zeros(len(table), bool)
    return np.asarray(table.numbers("D") > table.numbers("U") * (1 + 1e-9))


def pairs_of(table: RunTable) -> tuple[list[Pair], int]:
    """Return the pairs in the order of the table, and the number of repeated runs without a fresh twin.

    A pair shares its seed and the columns of SAME; several fresh twins are averaged.
    """
    D, loss = table.numbers("D"), table.numbers("loss")
    U = table.numbers("U") if table.has("U") else D / table.numbers("epochs")
    seeds = table.frame["seed"].astype(str).to_list() if table.has("seed") else [None] * len(D)
    arms = _arms(table)
    budgets = _budgets(table)
    rates = table.rates() if "r_a" in table.frame else None
    dense = ~table.routed()
    repeated = D > U * (1 + 1e-9)
    twins: dict[tuple[int, str | None], list[float]] = {}
    for at in np.flatnonzero(~repeated):
        twins.setdefault((int(arms[at]), seeds[at]), []).append(float(loss[at]))
    found = [at for at in np.flatnonzero(repeated) if (int(arms[at]), seeds[at]) in twins]
    pairs = [
        Pair(
            r_a=None if rates is None else float(rates[at]),
            dense=bool(dense[at]),
            seed=seeds[at],
            D=float(D[at]),
            U=float(U[at]),
            budget=int(budgets[at]),
            fresh=float(np.mean(twins[int(arms[at]), seeds[at]])),
            repeated=float(loss[at]),
        )
        for at in found
    ]
    return pairs, int(repeated.sum()) - len(found)


def _budgets(table: RunTable) -> NDArray[np.intp]:
    """Return the number of each run's budget, shape (n,), by gaps in C; 0 for all if a run has no C."""
    if not table.has("C") or table.frame["C"].isna().any():
        return np.zeros(len(table), np.intp)
    return groups_of(table.numbers("C"))


def _arms(table: RunTable) -> NDArray[np.intp]:
    """Return a code for each run, shape (n,), equal for runs that agree in the columns of SAME."""
    import pandas as pd

    columns = [pd.to_numeric(table.frame[name], errors="coerce").to_numpy(float) for name in SAME if table.has(name)]
    known = [
        np.where(np.isnan(values), -1.0, values) for values in columns
    ]  # columns that a dense model lacks form one group
    codes = [groups_of(values, TOLERANCE) for values in known]
    return np.asarray(np.unique(np.column_stack(codes), axis=0, return_inverse=True)[1], np.intp).reshape(-1)
