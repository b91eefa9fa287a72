"""The table of runs that every fit reads, built from rows in memory; `fits.runs.read_table` reads it from a file.

    table = from_records([{"N": 1e8, "D": 2e9, "loss": 3.1}])

Every row is kept, listed with the reason why it was left out, or refused: an impossible value raises an error that
names its row and column.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fits.runs.budgets import BUDGET_TOLERANCE, groups_of
from planners.records.errors import UsageError
from planners.records.quantity import parse_quantity

if TYPE_CHECKING:
    from pandas import DataFrame

Floats = NDArray[np.float64]

_SIGNS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}

LABELS = frozenset({"run_id", "arm", "study", "state"})
"""Columns that stay text: a run id such as 12e4 must not become a number."""


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """A row of the input that was left out."""

    row: int
    """Row of the input; the first below the header is 1."""
    reason: str
    """Why it is left out."""
    C: float | None = None
    """Its budget in FLOPs, where the row states it."""
    by: str | None = None
    """The column that a condition of the user left it out by; null for a row that cannot be used."""
    state: str | None = None
    """State of its run, such as diverged, where the row states it."""
    r_a: float | None = None
    """Its activation rate, where the row states it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RunTable:
    """The usable runs, and the rows that were left out."""

    frame: "DataFrame"
    """One usable run a row, our column names, indexed by the row of the input (from 1)."""
    dropped: tuple[Dropped, ...] = ()
    """The rows left out, in the order of the input."""
    source: str
    """What the rows were read from; named in messages and results."""
    data_hash: str | None = None
    """Hash of the file that was read; null for rows that came from none."""
    remarks: tuple[str, ...] = ()
    """What was computed or chosen that the rows do not state, one sentence each; a fit repeats them as notes."""

    def __len__(self) -> int:
        return len(self.frame)

    def has(self, column: str) -> bool:
        """Return whether any run has a value of `column`."""
        return column in self.frame and bool(self.frame[column].notna().any())

    def numbers(self, column: str, *, zero: bool = False) -> Floats:
        """Return `column`, shape (n,), finite and positive; with `zero`, zeros are allowed.

        Raises UsageError that names the row and the value of a bad cell, or the columns of the table if one is missing.
        """
        import pandas as pd

        if column not in self.frame:
            raise _no_column(self.source, column, self.frame.columns)
        values = pd.to_numeric(self.frame[column], errors="coerce").to_numpy(float)
        bad = ~np.isfinite(values) | ((values < 0) if zero else (values <= 0))
        if bad.any():
            at = int(np.argmax(bad))
            raise _bad_cell(self, at, column, "a number of at least 0" if zero else "a positive number")
        return values

    def rates(self) -> Floats:
        """Return r_a, shape (n,), in (0, 1]. Raises UsageError for any other value."""
        if "r_a" not in self.frame:
            raise UsageError(f"{self.source} has neither r_a nor both N_a and N; it has {_listed(self.frame.columns)}")
        rates = self.numbers("r_a")
        if (rates > 1 + 1e-9).any():
            raise _bad_cell(self, int(np.argmax(rates)), "r_a", "a rate N_a / N of at most 1")
        return rates

    def law_column(self, column: str) -> Floats:
        """Return `column` as every law reads it, shape (n,), positive; raises as `numbers` does.

        A dense model counts as one expert that is always active: its `n_experts` and `A_e` are 1.
        """
        if column == "r_a":
            return self.rates()
        if column not in ("n_experts", "A_e") or not (self.has("n_experts") or self.has("r_a")):
            return self.numbers(column)
        routed, values = self.routed(), np.ones(len(self))
        values[routed] = self.only(routed).numbers(column)
        return values

    def routed(self) -> NDArray[np.bool_]:
        """Return which runs are MoE, shape (n,): those with n_experts > 1, or without that column those with r_a < 1.

        A run without `n_experts` in a table that has the column is MoE if r_a < 1. Raises UsageError if its r_a is 1,
        since it may then be either.
        """
        if self.has("n_experts"):
            sparse = self.rates() < 1 - 1e-9 if self.has("r_a") else np.zeros(len(self), bool)
            unstated = self.frame["n_experts"].isna().to_numpy() & sparse
            stated = self.only(~unstated).numbers("n_experts", zero=True) if not unstated.all() else np.empty(0)
            routed = unstated.copy()
            routed[~unstated] = stated > 1
            return np.asarray(routed)
        return np.asarray(self.rates() < 1 - 1e-9) if self.has("r_a") else np.zeros(len(self), bool)

    def only(self, keep: NDArray[np.bool_]) -> "RunTable":
        """Return the runs where `keep`, shape (n,), is true; the rows left out before stay listed."""
        return replace(self, frame=self.frame[keep])

    def where(self, condition: str) -> "RunTable":
        """Return the runs that meet `condition`, such as "C>=1e18" or "arm!=K1"; the others are listed as left out.

        Raises UsageError for a condition that cannot be read, that no run meets, or that names an unknown column.
        """
        column, keep = _meets(self, condition)
        if not keep.any():
            raise UsageError(f"none of the {len(self)} runs of {self.source} meets {condition!r}; choose another value")
        left_out = tuple(
            Dropped(row=int(row), reason=f"left out by {condition}", by=column) for row in self.frame.index[~keep]
        )
        return replace(self, frame=self.frame[keep], dropped=(*self.dropped, *left_out))

    def by_budget(self, tolerance: float = BUDGET_TOLERANCE) -> dict[float, "RunTable"]:
        """Return one table per budget C, smallest first, by the median C of its runs.

        A budget ends where the next larger C is more than `tolerance` above the last. A row that was left out goes with
        the budget nearest to its C, or with every budget if it has no C.
        """
        budgets = self.numbers("C")
        codes = groups_of(budgets, tolerance)
        groups = [np.flatnonzero(codes == code) for code in range(codes.max(initial=-1) + 1)]
        medians = [float(np.median(budgets[group])) for group in groups]
        return {
            C: replace(self, frame=self.frame.iloc[group], dropped=_nearest(self.dropped, C, medians))
            for C, group in zip(medians, groups, strict=True)
        }


def from_records(
    rows: "Iterable[Mapping[str, Any]] | DataFrame", columns: Mapping[str, str] | None = None, *, source: str = "table"
) -> RunTable:
    """Return the table of a DataFrame, or of one mapping per run.

    `columns` maps our column names to those of the rows, with a factor if the units differ: `{"D": "tokens_b*1e9"}`.
    A row with a `state` other than done, or with an empty loss, is left out and listed with the reason. None and empty
    text are missing values; in a DataFrame NaN is one too. Raises UsageError for a missing column and for a loss that
    is not a positive number.
    """
    import pandas as pd

    runs = [_cells(row) for row in (frame_rows(rows) if isinstance(rows, pd.DataFrame) else rows)]
    if not runs:
        raise UsageError(f"{source} holds no runs; give a table with one run a row")
    runs, names = _renamed(runs, columns or {}, source)
    if "loss" not in names:
        raise _no_column(source, "loss", names)
    reasons = [_unusable(run) for run in runs]
    dropped = tuple(_dropped(runs[at], at + 1, reason) for at, reason in enumerate(reasons) if reason)
    kept = [at for at, reason in enumerate(reasons) if not reason]
    index = pd.Index([at + 1 for at in kept], name="row", dtype=int)
    frame = pd.DataFrame({name: _typed(name, [runs[at].get(name) for at in kept], index) for name in names})
    table = RunTable(frame=_as_consumed(_with_rates(frame)), dropped=dropped, source=source)
    table.numbers("loss")
    return table


def frame_rows(frame: "DataFrame") -> list[dict[str, Any]]:
    """Return the rows of `frame`, with None for missing values."""
    cells = frame.astype(object)
    rows = cells.where(cells.notna(), None).to_dict("records")
    return [{str(key): cell for key, cell in row.items()} for row in rows]


def _cells(row: Any) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise UsageError(f"a run must be given as its columns and values, not as {str(row)[:40]!r}")
    return {str(key): None if isinstance(cell, str) and not cell.strip() else cell for key, cell in row.items()}


def _renamed(
    runs: list[dict[str, Any]], columns: Mapping[str, str], source: str
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the runs with columns of our names added, and the names of all columns in the order of the input."""
    names = dict.fromkeys(name for run in runs for name in run)
    for ours, theirs in columns.items():
        column, factor = _unit(theirs, names)
        if column not in names:
            raise UsageError(f"{source} has no column {column!r}; it has {_listed(names)}")
        runs = [run | {ours: _scaled(run.get(column), factor)} for run in runs]
    return runs, list(names | dict.fromkeys(columns))


def _unit(theirs: str, names: Iterable[str]) -> tuple[str, float]:
    """Return the column and the factor of a text such as `tokens_b*1e9`; a column of exactly that name has factor 1."""
    column, star, factor = theirs.rpartition("*")
    if not star or theirs in names:
        return theirs, 1.0
    return column, parse_quantity(factor, f"the factor of column {column}")


def _scaled(cell: Any, factor: float) -> Any:
    """Return a cell times `factor`; a cell that is not a number stays as it is until a law needs it."""
    try:
        return cell if factor == 1 or cell is None else float(cell) * factor
    except (TypeError, ValueError):
        return cell


def _unusable(run: Mapping[str, Any]) -> str:
    """Return why a run cannot be used, or an empty text."""
    state = run.get("state")
    if state is not None and str(state).strip().lower() != "done":
        return f"state is {state}"
    return "loss is empty" if run.get("loss") is None else ""


def _dropped(run: Mapping[str, Any], row: int, reason: str) -> Dropped:
    N, N_a, state = _stated(run, "N"), _stated(run, "N_a"), run.get("state")
    rate = _stated(run, "r_a") or (N_a / N if N and N_a else None)
    state = None if state is None else str(state).strip().lower()
    return Dropped(row=row, reason=reason, C=_stated(run, "C"), state=state, r_a=rate)


def _stated(run: Mapping[str, Any], column: str) -> float | None:
    """Return the positive number in `column`; None where there is none."""
    try:
        value = float(run.get(column) or "nan")
    except (TypeError, ValueError):
        return None
    return value if np.isfinite(value) and value > 0 else None


def _typed(name: str, cells: list[Any], index: Any) -> Any:
    """Return the column as numbers if all cells are numbers, else as it is: an error names the cell when it is used."""
    import pandas as pd

    column = pd.Series(cells, index=index, dtype=object)
    if name in LABELS:
        return column
    try:
        return pd.to_numeric(column)
    except (TypeError, ValueError):
        return column


def _with_rates(frame: "DataFrame") -> "DataFrame":
    import pandas as pd

    if "r_a" in frame or not {"N", "N_a"} <= set(frame.columns):
        return frame
    total, active = (pd.to_numeric(frame[name], errors="coerce") for name in ("N", "N_a"))
    return frame.assign(r_a=active / total)


def _as_consumed(frame: "DataFrame") -> "DataFrame":
    """Return the frame with the D and C that each run consumed; a run that stopped early consumed less than planned."""
    if not {"D", "D_seen", "C"} <= set(frame.columns) or any(
        frame[name].dtype == object for name in ("D", "D_seen", "C")
    ):
        return frame
    share = (frame["D_seen"] / frame["D"]).fillna(1.0)
    stopped = share < 1
    if not stopped.any():
        return frame
    D, C = frame["D"].where(~stopped, frame["D_seen"]), frame["C"].where(~stopped, frame["C"] * share)
    return frame.assign(D=D, C=C)


def _meets(table: RunTable, condition: str) -> tuple[str, NDArray[np.bool_]]:
    """Return the column of `condition`, and which runs meet it, shape (n,)."""
    found = re.fullmatch(r"\s*(\w[\w.]*)\s*(<=|>=|!=|=|<|>)\s*(.+?)\s*", condition)
    if not found:
        raise UsageError(f"condition {condition!r} is not COLUMN, one of < <= > >= = !=, and a value, such as C>=1e18")
    column, sign, text = found.groups()
    if column not in table.frame:
        raise _no_column(table.source, column, table.frame.columns)
    values = table.frame[column]
    number = values.dtype.kind in "iufb"
    value: float | str = text
    if number:
        value = parse_quantity(text, f"the value of {column}", zero=True)
    elif sign not in ("=", "!="):
        raise UsageError(f"condition {condition!r}: {column} is text, so only = and != can be used")
    return column, np.asarray(_SIGNS[sign](values, value), bool)


def _nearest(dropped: Sequence[Dropped], C: float, budgets: Sequence[float]) -> tuple[Dropped, ...]:
    def home(stated: float) -> float:
        return min(budgets, key=lambda budget: abs(float(np.log(budget / stated))))

    return tuple(one for one in dropped if one.C is None or home(one.C) == C)


def _no_column(source: str, column: str, there: Iterable[str]) -> UsageError:
    hint = f"--columns {column}=NAME"
    return UsageError(f"{source} has no column {column}; it has {_listed(there)}; say which one it is with {hint}")


def _bad_cell(table: RunTable, at: int, column: str, expected: str) -> UsageError:
    value = table.frame[column].iloc[at]
    shown = "empty" if value is None else str(value)
    row = table.frame.index[at]
    return UsageError(f"row {row} of {table.source}: {column} is {shown}, not {expected}; correct it or remove the row")


def _listed(names: Iterable[object]) -> str:
    return ", ".join(map(str, names)) or "none"
