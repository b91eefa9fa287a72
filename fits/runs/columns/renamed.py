"""Runs with our column names: a name stands for a column of the table or for a formula of its columns."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fits.runs.columns.cells import Decimal, is_missing, number
from fits.runs.columns.formula import Formula, parse_formula
from planners.records.errors import UsageError

Run = dict[str, Any]


def renamed(
    runs: list[Run], names: Sequence[str], columns: Mapping[str, str], source: str, decimal: Decimal = "."
) -> list[Run]:
    """Return the runs with the columns of `columns` added; `names` are those of the table.

    A plain name means the column of the table. In a formula, a name of `columns` means that column of ours, so
    `N=params (M)*1e6,D=ratio*N` works in any order; in the formula of that column itself it means the table's. Raises
    UsageError for an unknown column and for formulas that need each other.
    """
    table = set(names)
    formulas = {ours: parse_formula(text, [*names, *(set(columns) - {ours})], source) for ours, text in columns.items()}
    order = list(_in_order(formulas, table))
    return [_with_ours(run, [(ours, formulas[ours]) for ours in order], table, decimal) for run in runs]


def _from_ours(ours: str, formula: Formula, formulas: Mapping[str, Formula], table: set[str]) -> list[str]:
    """Return the columns of a formula that are ours and not the table's."""
    return [name for name in formula.columns if name in formulas and not _is_theirs(name, ours, formula, table)]


def _is_theirs(name: str, ours: str, formula: Formula, table: set[str]) -> bool:
    return name in table and (formula.plain or name == ours)


def _in_order(formulas: Mapping[str, Formula], table: set[str]) -> Iterator[str]:
    """Yield our names, each after those that its formula needs."""
    left = dict(formulas)
    while left:
        ready = [
            ours
            for ours, formula in left.items()
            if not any(name in left for name in _from_ours(ours, formula, formulas, table))
        ]
        if not ready:
            raise UsageError(f"the columns {', '.join(left)} are defined by each other; write one of them without")
        yield from ready
        left = {ours: formula for ours, formula in left.items() if ours not in ready}


def _with_ours(run: Run, formulas: list[tuple[str, Formula]], table: set[str], decimal: Decimal) -> Run:
    made: Run = {}
    for ours, formula in formulas:
        cells = {
            name: run.get(name) if _is_theirs(name, ours, formula, table) or name not in made else made[name]
            for name in formula.columns
        }
        made[ours] = cells[formula.text] if formula.plain else _value(formula, cells, decimal)
    return run | made


def _value(formula: Formula, cells: Run, decimal: Decimal) -> Any:
    """Return the value for one row: None for an empty cell; a cell that is not a number stays, so an error names it."""
    values: dict[str, float] = {}
    for name, cell in cells.items():
        value = number(cell, decimal)
        if value is None:
            return None if cell is None or (is_missing(cell) and not isinstance(cell, str)) else cell
        values[name] = value
    try:
        return formula.value(values)
    except (ArithmeticError, ValueError):
        shown = ", ".join(f"{name} = {value:g}" for name, value in values.items())
        return f"{formula.text} with {shown}"
