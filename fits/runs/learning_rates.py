"""Several learning rates in one cell: a fit uses the best of each cell, or each learning rate is a series of its own.

They are never replicates, because their losses differ by more than sampling noise.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fits.runs.same_budget import groups_of
from fits.runs.table import Dropped, Floats, RunTable
from planners.records.errors import UsageError

CELL = ("r_a", "N", "C", "D", "U", "n_experts", "top_k", "d_expert", "series")
"""Columns in which the runs of a cell agree."""
SAME = 0.02
"""Relative difference up to which two runs agree in such a column."""
CHOICES = ("best", "all")
"""What a fit does with several learning rates of a cell."""


def choose_learning_rates(table: RunTable, choice: str) -> RunTable:
    """Return the runs for a fit: as they are for `best`, which `series` applies; for `all`, each rate is a series.

    Raises UsageError for another choice.
    """
    if choice not in CHOICES:
        raise UsageError(f"learning rates {choice!r} is not one of {', '.join(CHOICES)}")
    if choice == "best" or not _several(table):
        return table
    labels = [f"lr {rate:.3g}" for rate in _rates(table)]
    if table.has("series"):
        given = table.frame["series"].astype(object).fillna("").astype(str)
        labels = [f"{own} {rate}".strip() for own, rate in zip(given, labels, strict=True)]
    return replace(table, frame=table.frame.assign(series=labels))


def best_learning_rates(table: RunTable) -> RunTable:
    """Return the runs of each cell at the learning rate with the lowest mean loss; the others are listed as left out.

    A remark says that such losses are biased low by the choice of a minimum.
    """
    cells = _several(table)
    if not cells:
        return table
    rates, loss, keep = _rates(table), table.numbers("loss"), np.ones(len(table), bool)
    for rows in cells:
        tried = np.unique(rates[rows])
        means = [float(loss[rows][rates[rows] == rate].mean()) for rate in tried]
        keep[rows] = rates[rows] == tried[int(np.argmin(means))]
    most = max(len(np.unique(rates[rows])) for rows in cells)
    which = "1 cell was" if len(cells) == 1 else f"{len(cells)} cells were each"
    remark = (
        f"{which} run at up to {most} learning rates; the fit uses the best of a cell, so its losses are biased low by"
        " the choice of a minimum"
    )
    left = [
        Dropped(row=int(row), reason="another learning rate of its cell has a lower mean loss")
        for row in table.frame.index[~keep]
    ]
    dropped = (*table.dropped, *left)
    return replace(table, frame=table.frame[keep], dropped=dropped, remarks=(*table.remarks, remark))


def _rates(table: RunTable) -> Floats:
    """Return the learning rates to six digits, shape (n,); -1 for a run without one."""
    import pandas as pd

    rates = pd.to_numeric(table.frame["lr"], errors="coerce").fillna(-1.0)
    return np.array([float(f"{rate:.6g}") for rate in rates])


def _several(table: RunTable) -> list[NDArray[np.intp]]:
    """Return the rows of each cell that was run at several learning rates."""
    if not table.has("lr"):
        return []
    cells, rates = _cells(table), _rates(table)
    members = (np.flatnonzero(cells == cell) for cell in np.unique(cells))
    return [rows for rows in members if len(np.unique(rates[rows])) > 1]


def _cells(table: RunTable) -> NDArray[np.intp]:
    """Return the number of each run's cell, shape (n,); runs of one cell agree in the columns of CELL."""
    import pandas as pd

    codes = [np.zeros(len(table), np.intp)]
    for column in CELL:
        if table.has(column):
            values = pd.to_numeric(table.frame[column], errors="coerce")
            texts = table.frame[column].astype(object).fillna("").astype(str)
            codes.append(groups_of(values.fillna(-1.0).to_numpy(float), SAME))
            codes.append(np.unique(texts.where(values.isna(), ""), return_inverse=True)[1].reshape(-1))
    return np.asarray(np.unique(np.column_stack(codes), axis=0, return_inverse=True)[1], np.intp).reshape(-1)
