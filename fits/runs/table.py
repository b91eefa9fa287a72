"""The table of runs that every fit reads, built from rows in memory; `fits.runs.read_table` reads it from a file.

    table = from_records([{"N": 1e8, "D": 2e9, "loss": 3.1}])

Every row is kept, listed with the reason why it was left out, or refused: an impossible value raises an error that
names its row and column.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fits.runs.columns import guesses
from fits.runs.columns.cells import Decimal, decimal_mark, is_failure, is_missing, number
from fits.runs.columns.condition import parse_condition
from fits.runs.columns.renamed import renamed
from fits.runs.columns.states import is_done, state_column
from fits.runs.same_budget import BUDGET_TOLERANCE, groups_of
from planners.records.errors import UsageError

if TYPE_CHECKING:
    from pandas import DataFrame

Floats = NDArray[np.float64]

MOST_LISTED = 40
"""Column names that an error lists."""
LABELS = frozenset({"run_id", "arm", "study", "state"})
"""Columns that stay text: a run id such as 12e4 must not become a number."""
SIZES = frozenset({"N", "N_a", "N_vocab", "total", "active", "D", "D_seen", "U", "C", "loss", "N_opt", "D_opt"})
"""Columns in which `7B` is a number."""
UNITS = {"nats": "nats per token", "bits": "bits per token", "bpb": "bits per byte", "bpc": "bits per character"}
"""Unit of a loss -> its words."""


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
    over: str = "r_a"
    """N if curves are drawn over N (isoFLOP): then all runs are on them. Otherwise r_a: the MoE runs are on them."""
    unit: str = "nats"
    """Unit of the loss, one of UNITS."""
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

    def places(self) -> Floats:
        """Return what a curve is drawn over, shape (n,): N where that is asked for, otherwise r_a."""
        return self.numbers("N") if self.over == "N" else self.rates()

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
        """Return which runs a curve goes through, shape (n,): over N all, otherwise those that are MoE.

        A run is MoE if n_experts > 1, or without that column if r_a < 1. A run without `n_experts` in a table that has
        the column is MoE if r_a < 1. Raises UsageError if its r_a is 1, since it may then be either.
        """
        if self.over == "N":
            return np.ones(len(self), bool)
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
        parsed = parse_condition(condition, self.frame.columns, self.source)
        keep = np.array(parsed.meets(list(self.frame[parsed.column])), bool)
        if not keep.any():
            raise UsageError(f"none of the {len(self)} runs of {self.source} meets {condition!r}; choose another value")
        left_out = tuple(
            Dropped(row=int(row), reason=f"left out by {condition}", by=parsed.column)
            for row in self.frame.index[~keep]
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
    rows: "Iterable[Mapping[str, Any]] | DataFrame",
    columns: Mapping[str, str] | None = None,
    *,
    source: str = "table",
    where: Sequence[str] = (),
    needs: Sequence[str] = ("loss",),
    grouped: bool = True,
) -> RunTable:
    """Return the table of a DataFrame, or of one mapping per run.

    `columns` maps our column names to columns of the rows, or to formulas of them: `{"D": "tokens_b*1e9"}` (see
    `fits.runs.columns.formula`). `where` are conditions that the runs must meet; they are applied before any value is
    refused.
    `needs` are the columns that must be there. `grouped` is explained in `fits.runs.columns.cells.decimal_mark`.

    A row is left out, and listed with the reason, if its state is not one of `fits.runs.columns.states.DONE`, or if its
    loss is empty, NaN or a word such as diverged. None and empty text are missing values. Raises UsageError for missing
    columns, all named at once, and for a loss that is not a positive number.
    """
    import pandas as pd

    runs = [_cells(row) for row in (frame_rows(rows) if isinstance(rows, pd.DataFrame) else rows)]
    if not runs:
        raise UsageError(f"{source} holds no runs; give a table with one run a row")
    names = list(dict.fromkeys(name for run in runs for name in run))
    decimal = decimal_mark((cell for run in runs for cell in run.values()), grouped=grouped)
    runs = renamed(runs, names, columns or {}, source, decimal)
    stated = {*names, *(columns or {})}
    missing = [name for name in needs if name not in stated and not (name == "C" and {"N", "D"} <= stated)]
    if missing:
        raise _no_columns(source, missing, names, columns or {})
    names = list(dict.fromkeys([*names, *(columns or {})]))
    state = state_column(runs, names)
    index = pd.RangeIndex(1, len(runs) + 1, name="row")
    texts = LABELS | {state}
    read = {name: [run.get(name) for run in runs] for name in names}
    sizes = SIZES | set(columns or {})
    texts |= {name for name, values in read.items() if name not in sizes and any(map(_has_unit, values))}
    cells = {name: _typed(values, index, decimal, name in texts) for name, values in read.items()}
    frame = _as_consumed(_with_rates(pd.DataFrame(cells)))
    measured = tuple(name for name in ("loss", "N_opt") if name in needs)
    reasons = [_unusable(run, state, measured) for run in runs]
    dropped = {at: _dropped(runs[at], at + 1, reason, state, decimal) for at, reason in enumerate(reasons) if reason}
    for text in where:
        dropped |= _left_out(frame, text, source, decimal)
    kept = [at for at in range(len(runs)) if at not in dropped]
    frame = _as_consumed(_with_rates(frame.iloc[kept].apply(_numbers)))
    table = RunTable(frame=frame, dropped=tuple(dropped[at] for at in sorted(dropped)), source=source)
    if "loss" in needs:
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


def _left_out(frame: "DataFrame", text: str, source: str, decimal: Decimal) -> dict[int, Dropped]:
    """Return the rows that do not meet a condition. Raises UsageError if none does."""
    condition = parse_condition(text, frame.columns, source)
    met = condition.meets(list(frame[condition.column]), decimal)
    if not any(met):
        raise UsageError(f"none of the {len(frame)} runs of {source} meets {text!r}; choose another value")
    reason = f"left out by {text}"
    return {at: Dropped(row=at + 1, reason=reason, by=condition.column) for at, hit in enumerate(met) if not hit}


def _unusable(run: Mapping[str, Any], state: str | None, measured: Sequence[str]) -> str:
    """Return why a run cannot be used, or an empty text."""
    if state is not None and not is_done(run.get(state), state):
        return f"{state} is {run[state]}"
    cells = [cell for cell in run.values() if not is_missing(cell)]
    if cells and all(isinstance(cell, str) and cell.startswith(("(", "[")) for cell in cells):
        return "a line of units"
    lost = next((name for name in measured if is_missing(run.get(name)) or is_failure(run.get(name))), None)
    if lost is None:
        return ""
    return f"{lost} is empty" if run.get(lost) is None else f"{lost} is {run[lost]}"


def _dropped(run: Mapping[str, Any], row: int, reason: str, state: str | None, decimal: Decimal) -> Dropped:
    C, N, N_a, rate = (_positive(number(run.get(column), decimal)) for column in ("C", "N", "N_a", "r_a"))
    rate = rate or (N_a / N if N and N_a else None)
    word = None if state is None or run.get(state) is None else str(run[state]).strip().lower()
    if word is None and is_failure(run.get("loss")):
        word = "diverged"
    return Dropped(row=row, reason=reason, C=C, state=word, r_a=rate)


def _positive(value: float | None) -> float | None:
    return value if value and np.isfinite(value) and value > 0 else None


def _has_unit(cell: Any) -> bool:
    """Return whether a cell ends in a letter: `7B` is a number in a column of sizes, and a label in any other."""
    return isinstance(cell, str) and cell.strip()[-1:].isalpha() and not is_missing(cell)


def _typed(cells: list[Any], index: Any, decimal: Decimal, text: bool) -> Any:
    """Return the column with its numbers as numbers; a cell without one stays, so that an error can name it.

    A column in which most cells are words stays text.
    """
    import pandas as pd

    column = pd.Series(cells, index=index, dtype=object)
    if text:
        return column
    if decimal == ".":
        try:
            return pd.to_numeric(column)
        except (TypeError, ValueError, OverflowError):
            pass
    values = [number(cell, decimal) for cell in cells]
    words = sum(value is None and not is_missing(cell) for cell, value in zip(cells, values, strict=True))
    if words > sum(value is not None for value in values):
        return column
    found = [
        value if value is not None else None if is_missing(cell) else cell
        for cell, value in zip(cells, values, strict=True)
    ]
    return _numbers(pd.Series(found, index=index, dtype=object))


def _numbers(column: Any) -> Any:
    """Return the column with a numeric type if every cell is a number already."""
    import pandas as pd

    if column.dtype != object or any(isinstance(cell, str) for cell in column):
        return column
    try:
        return pd.to_numeric(column)
    except (TypeError, ValueError, OverflowError):
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


def _nearest(dropped: Sequence[Dropped], C: float, budgets: Sequence[float]) -> tuple[Dropped, ...]:
    def home(stated: float) -> float:
        return min(budgets, key=lambda budget: abs(float(np.log(budget / stated))))

    return tuple(one for one in dropped if one.C is None or home(one.C) == C)


def _no_column(source: str, column: str, there: Iterable[str]) -> UsageError:
    return _no_columns(source, [column], list(there), {})


def _no_columns(source: str, missing: Sequence[str], there: Sequence[str], given: Mapping[str, str]) -> UsageError:
    """Return the error for columns that a table lacks, with a line to copy."""
    copy = guesses.line(missing, there, given)
    which = "which one it is" if len(missing) == 1 else "which ones they are"
    columns = f"column {missing[0]}" if len(missing) == 1 else f"columns {', '.join(missing)}"
    return UsageError(f"{source} has no {columns}; it has {_listed(there)}; say {which}, for example with: {copy}")


def _bad_cell(table: RunTable, at: int, column: str, expected: str) -> UsageError:
    value = table.frame[column].iloc[at]
    shown = "empty" if value is None else str(value)
    row = table.frame.index[at]
    return UsageError(f"row {row} of {table.source}: {column} is {shown}, not {expected}; correct it or remove the row")


def _listed(names: Iterable[object]) -> str:
    shown = list(map(str, names))
    return (
        ", ".join(shown[:MOST_LISTED]) + f" and {len(shown) - MOST_LISTED} more" * (len(shown) > MOST_LISTED) or "none"
    )
