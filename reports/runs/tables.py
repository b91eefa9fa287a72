"""The tables of a fitted table of runs: coefficients, predictions, best sizes, every run, and the rows left out."""

from collections.abc import Iterator
from dataclasses import replace

from fits.runs.table import UNITS
from planners.records.quantity import format_quantity
from reports.page.number_text import fixed, general, signed
from reports.page.table import (
    COUNT,
    FLOPS,
    LAW,
    RATE,
    THREE,
    TOKENS_PER_PARAMETER,
    Column,
    D,
    N,
    P,
    Row,
    Table,
    TableSpec,
    estimate,
    filled,
    number,
    text,
)
from reports.runs.fitted_runs import FittedRuns
from reports.study.tables.fits import FITS

AMOUNTS: dict[str, Column] = {"N": N, "N_a": N.named("N_a"), "r_a": RATE, "D": D, "C": FLOPS, "N_opt": N.named("N_opt")}
"""Columns of the runs that are shown, where the table has them."""
NAMES = ("run", "run_id", "name", "Name", "arm", "model")
"""Columns that name a run; the first that the table has is shown."""


def _amount(value: float) -> str:
    return format_quantity(value) if value >= 1e4 else general(4)(value)


def _predictions(data: FittedRuns) -> Iterator[Row]:
    for one in data.found.predictions:
        given = ", ".join(f"{name} = {format_quantity(value)}" for name, value in one.given.items())
        for each in one.values:
            yield one.law, given, each.of, each.value, each.lo, each.hi, one.extrapolation or "inside the runs"


PREDICTIONS = TableSpec(
    title="What the law predicts",
    section="Predictions",
    columns=(
        *(LAW, text("at"), text("of", "quantity"), *estimate(number("value", show=_amount))),
        text("beyond", "how far beyond the runs"),
    ),
    rows=_predictions,
    note="Intervals are 95 % prediction intervals. N, D and D_per_N are compute-optimal where the target leaves them "
    "open.",
)


def _budgets(data: FittedRuns) -> Iterator[Row]:
    for each in data.found.isoflop.budgets if data.found.isoflop else ():
        ratio = each.D / each.N if each.N and each.D else None
        yield (
            each.C,
            each.n,
            each.N,
            each.lo,
            each.hi,
            each.D,
            ratio,
            each.cubic,
            each.off_centre,
            each.misfit,
            each.edge,
        )


BUDGETS = TableSpec(
    title="Best size of each budget",
    section="IsoFLOP",
    columns=(
        *(FLOPS, COUNT, *estimate(N), D, TOKENS_PER_PARAMETER, N.named("cubic", "N by a cubic")),
        number("off_centre", "off-centre", signed(2)),
        *(P.named("misfit", "misfit p"), text("edge", "lowest at end")),
    ),
    rows=_budgets,
    note="The minimum of a parabola in ln N. Its interval assumes a curve with one minimum of any shape. Off-centre: 0 "
    "is the middle of the sampled ln N, −1 and +1 its ends; a parabola is biased beyond ±0.5.",
)


def _exponents(data: FittedRuns) -> Iterator[Row]:
    for one in data.found.isoflop.exponents if data.found.isoflop else ():
        yield one.approach, one.N, *(one.N_ends or (None, None)), one.D, *(one.D_ends or (None, None))


EXPONENTS = TableSpec(
    title="Exponents of the best size",
    section="IsoFLOP",
    columns=(
        text("approach"),
        *estimate(number("a", "a of N_opt ∝ C^a", THREE), "a"),
        *estimate(number("b", "b of D_opt ∝ C^b", THREE), "b"),
    ),
    rows=_exponents,
    note="Approach 2 is a line through the minima above, approach 3 a law of N and D on the same runs "
    "(arXiv 2203.15556).",
)


def _run_columns(data: FittedRuns) -> tuple[Column, ...]:
    frame = data.table.frame
    name = next((name for name in NAMES if name in frame), None)
    known = [column for key, column in AMOUNTS.items() if data.table.has(key) and key != data.response]
    y = number(data.response, data.response, fixed(4) if data.response == "loss" else format_quantity, _unit(data))
    residual = number("residual", "over fit", signed(2), "%")
    return (number("row"), *([text(name)] if name else []), *known, y, y.named("fitted"), residual)


def _unit(data: FittedRuns) -> str:
    return UNITS[data.table.unit] if data.response == "loss" else ""


def _runs(data: FittedRuns) -> Iterator[Row]:
    named = [column.name for column in _run_columns(data)[1:-3]]
    rows: dict[int, Row] = {}
    for group in data.groups:
        fitted = zip(group.runs.frame.index, group.runs.frame.to_dict("records"), group.y, group.fitted, strict=True)
        for row, cells, y, level in fitted:
            shown = [_cell(cells.get(name)) for name in named]
            known = level if level == level else None  # NaN: no fitted value
            residual = None if known is None else 100 * (y / known - 1)
            rows[int(row)] = (int(row), *shown, float(y), None if known is None else float(known), residual)
    yield from (rows[row] for row in sorted(rows))


def _cell(value: object) -> str | float | None:
    if value is None or value != value:
        return None
    return value if isinstance(value, str) else float(str(value))


RUNS = TableSpec(
    title="The runs",
    section="Runs",
    columns=_run_columns,
    rows=_runs,
    note=lambda data: f"The runs that the figures show, by row of {data.table.source}.",
)


def _left_out(data: FittedRuns) -> Iterator[Row]:
    yield from ((one.row, one.reason) for one in data.table.dropped)


LEFT_OUT = TableSpec(
    title="Rows left out",
    section="Runs",
    columns=(number("row"), text("reason")),
    rows=_left_out,
    note="These rows are in no fit.",
)
TABLES: dict[str, TableSpec[FittedRuns]] = {
    "predictions": PREDICTIONS,
    "exponents": EXPONENTS,
    "budgets": BUDGETS,
    "fit": replace(FITS, section=FITS.title),
    "runs": RUNS,
    "left_out": LEFT_OUT,
}
"""Name of a table, and of its files -> the table."""


def make_tables(data: FittedRuns) -> dict[str, Table]:
    """Return the tables that have rows, by name."""
    return filled(TABLES, data)
