"""A published law beside ours: the shipped rows, the coefficients that papers print, and the table of both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fits import FitResult, Param, RunTable, read_table
from planners.published import published
from reports.numerals import general, listed
from reports.table import Cell, Column, Table


@dataclass(frozen=True, kw_only=True)
class Printed:
    """Coefficients of a law as a paper prints them."""

    name: str
    """How tables and legends call them."""
    source: str
    """Where they stand."""
    params: Mapping[str, float]
    """Value by name; a coefficient that is not printed is absent."""


def rows_of(name: str) -> RunTable:
    """Return the rows of the shipped table `name`, our column names added."""
    runs = published(name)
    return read_table(runs.path, runs.columns)


def values(fit: FitResult) -> dict[str, float]:
    """Return the fitted parameters by name. Raises ValueError where the rows do not determine one."""
    found = {name: param.value for name, param in fit.params.items() if param.value is not None}
    if len(found) < len(fit.params):
        raise ValueError(f"{fit.law} has no value for {listed(set(fit.params) - set(found))}: {fit.reason}")
    return found


COEFFICIENTS = (
    Column(name="fit", head="rows", text=True),
    Column(name="parameter", head="coefficient", text=True),
    Column(name="ours", head="our fit", show=general(6)),
    Column(name="lo", head="95 % low", show=general(4)),
    Column(name="hi", head="95 % high", show=general(4)),
    Column(name="status", head="status", text=True),
)


def coefficient_table(
    fits: Mapping[str, FitResult], printed: Mapping[str, Sequence[Printed]], *, note: str, name: str = "coefficients"
) -> Table:
    """Return our coefficients with intervals and the printed ones beside them, each with where it lies.

    `printed` holds, for each fit, the published coefficients; the first of each fit share a column, and so on.
    """
    heads = list(dict.fromkeys(one.name for found in printed.values() for one in found))
    columns = list(COEFFICIENTS)
    for i, head in enumerate(heads):
        columns += [
            Column(name=f"printed_{i + 1}", head=head, show=general(6)),
            Column(name=f"inside_{i + 1}", head="in our interval", text=True),
        ]
    rows = []
    for label, fit in fits.items():
        by_head = {one.name: one for one in printed.get(label, ())}
        for param in fit.params.values():
            beside = [cell for head in heads for cell in _beside(param, by_head.get(head))]
            status = param.status.replace("_", " ")
            rows.append((label, param.name, param.value, param.lo, param.hi, status, *beside))
    sources = " ".join(f"{one.name}: {one.source}." for found in list(printed.values())[:1] for one in found)
    return Table(
        name=name, title="Coefficients", note=f"{note} {sources}".strip(), columns=tuple(columns), rows=tuple(rows)
    )


def _beside(param: Param, printed: Printed | None) -> tuple[Cell, Cell]:
    """Return the printed value of a coefficient and whether it lies in our interval."""
    value = printed.params.get(param.name) if printed else None
    if value is None or param.lo is None or param.hi is None:
        return value, None
    return value, "yes" if param.lo <= value <= param.hi else "below" if value < param.lo else "above"


def outside(fit: FitResult, printed: Printed) -> list[str]:
    """Return the coefficients whose printed value lies outside our interval."""
    return [name for name, param in fit.params.items() if _beside(param, printed)[1] in ("below", "above")]
