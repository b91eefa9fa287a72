"""The page of arXiv 2202.01169: its answer, its tables and the key numbers."""

import math

from planners.records.quantity import format_quantity
from reports.page.number_text import general, listed, percent
from reports.page.table import RUNS, Table, estimate, number, text
from reports.papers.clark.claims import claims, reasons
from reports.papers.clark.figures import FIGURES
from reports.papers.clark.study import CUTOFFS, DENSE, PRINTED, Clark, build, cutoff, read
from reports.papers.coefficients import coefficient_table, values
from reports.papers.reproduction import Reproduction, with_usual_page


def cutoff_table(data: Clark) -> Table:
    """Return the dense size at which routing stops helping, by router, and how well our fit describes the rows."""
    columns = (
        text("router"),
        RUNS,
        number("rmse", "RMSE of log10 L", general(5)),
        *estimate(number("cutoff", "stops helping at", format_quantity)),
        number("table_3", "by table 3", format_quantity),
        number("stated", "stated", format_quantity),
    )
    rows = []
    for one in data.routers:
        ends = [end if math.isfinite(end) else None for end in one.cutoff_ends]
        printed = (cutoff(PRINTED[one.name].params), CUTOFFS[one.name])
        rows.append((one.name, one.fit.n, one.rmse, one.cutoff, *ends, *printed))
    note = "Dense size in parameters, 10^(-b / c). Intervals: percentiles of the bootstrap draws of our fit."
    return Table(name="cutoffs", title="Where routing stops helping", note=note, columns=columns, rows=tuple(rows))


def note(data: Clark) -> str:
    """Return what was fitted and how; each fit resamples its own points, so each names their number."""
    first = data.routers[0].fit
    intervals = "; ".join(f"{one.name}: {one.fit.interval}" for one in data.routers)
    return (
        f"{first.formula}. Minimised: {first.objective_name}. Dense: {data.dense.formula}. Intervals: {intervals}; "
        f"dense: {data.dense.interval}."
    )


def reproduction() -> Reproduction:
    """Return the study refitted from the shipped rows."""
    data = build(read())
    cuts = listed(f"{one.name} {format_quantity(one.cutoff)}" for one in data.routers)
    factors = [one.cutoff_ends[1] / one.cutoff_ends[0] for one in data.routers]
    apart = max(one.predictions_apart for one in data.routers)
    answer = (
        f"Refitted, the three routed laws predict losses within {percent(apart)} of table 3. They put the dense size "
        f"at which routing stops helping at {cuts}. Each is known only to within a factor of {min(factors):.0f} to "
        f"{max(factors):.0f}, and lies far beyond any model that was trained."
    )
    fits = {**{one.name: one.fit for one in data.routers}, "dense": data.dense}
    printed = {**{name: (one,) for name, one in PRINTED.items()}, "dense": (DENSE,)}
    return with_usual_page(
        data,
        FIGURES,
        title="Routed language models: arXiv 2202.01169",
        question="How does the loss fall with the number of experts, and up to which dense size do they help?",
        answer=answer,
        claims=claims(data),
        reasons=reasons(data),
        tables=(coefficient_table(fits, printed, note=note(data)), cutoff_table(data)),
        footer=f"n = {sum(one.fit.n for one in data.routers)} runs in three fits; {data.source}.",
        summary={
            "coefficients": {name: values(fit) for name, fit in fits.items()},
            "rmse": {one.name: one.rmse for one in data.routers},
        },
    )
