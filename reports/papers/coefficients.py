"""Published laws: their shipped rows, the coefficients that papers print, and a table of those and our fit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fits import LAWS, FitResult, Param, RunTable, read_table
from fits.laws.law import Law
from planners.published import published
from reports.page.number_text import general, listed
from reports.page.table import FIT, STATUS, Table, interval, number, text


@dataclass(frozen=True, kw_only=True)
class Printed:
    """Coefficients of a law as a paper prints them."""

    name: str
    """Their name in tables and legends."""
    source: str
    """The paper, and the place in it."""
    params: Mapping[str, float]
    """Value by coefficient; a coefficient that is not printed is absent."""


def rows_of(name: str) -> RunTable:
    """Return the rows of the shipped table `name` under our column names."""
    runs = published(name)
    return read_table(runs.path, runs.columns)


def surface_law(name: str) -> Law:
    """Return the law `name` of the loss surface, which is given for any columns."""
    law = LAWS[name]
    assert isinstance(law, Law)
    return law


def values(fit: FitResult) -> dict[str, float]:
    """Return the fitted coefficients by name. Raises ValueError where the rows do not determine one."""
    found = {name: param.value for name, param in fit.params.items() if param.value is not None}
    if len(found) < len(fit.params):
        raise ValueError(f"{fit.law} has no value for {listed(set(fit.params) - set(found))}: {fit.reason}")
    return found


def fit_note(fit: FitResult, intervals: str = "") -> str:
    """Return the formula, what was minimised, and how the intervals were made, of further fits too."""
    return f"{fit.formula}. Minimised: {fit.objective_name}. Intervals: {fit.interval}{intervals}."


def coefficient_table(fits: Mapping[str, FitResult], printed: Mapping[str, Sequence[Printed]], *, note: str) -> Table:
    """Return our coefficients with intervals, next to the printed ones, and which of those lie outside our interval.

    `printed` holds the published coefficients of each fit; those with the same name share a column.
    """
    heads = list(dict.fromkeys(one.name for found in printed.values() for one in found))
    columns = (
        text("parameter", "coefficient"),
        FIT.named("fit", "rows"),
        number("ours", "our fit", general(6)),
        *interval(show=general(4)),
        STATUS,
        *(number(f"printed_{i + 1}", head, general(6)) for i, head in enumerate(heads)),
        text("outside", "outside our interval"),
    )
    rows = []
    for label, fit in fits.items():
        by_head = {one.name: one.params for one in printed.get(label, ())}
        for param in fit.params.values():
            shown = [by_head.get(head, {}).get(param.name) for head in heads]
            far = [head for head, value in zip(heads, shown, strict=True) if not _inside(param, value)]
            compared = param.lo is not None and any(shown)
            ours = (param.value, param.lo, param.hi, param.status.words)
            far_text = (listed(far) or "none") if compared else None
            rows.append((param.name, label if len(fits) > 1 else None, *ours, *shown, far_text))
    sources = " ".join(f"{one.name.capitalize()}: {one.source}." for one in next(iter(printed.values()), ()))
    text_below = f"{note} {sources}".strip()
    return Table(name="coefficients", title="Coefficients", note=text_below, columns=columns, rows=tuple(rows))


def outside(fit: FitResult, printed: Printed) -> list[str]:
    """Return the coefficients whose printed value lies outside our interval."""
    return [name for name, param in fit.params.items() if not _inside(param, printed.params.get(name))]


def _inside(param: Param, value: float | None) -> bool:
    """Return whether a printed value is compatible with our interval; so is one without a value or an interval."""
    return value is None or param.lo is None or param.hi is None or param.lo <= value <= param.hi
