"""The page of arXiv 2305.16264: its answer, its tables and the key numbers."""

from collections.abc import Mapping

from fits.laws.muennighoff import PUBLISHED
from reports.page.number_text import general, percent
from reports.page.table import Cell, Table, number, text
from reports.papers.coefficients import coefficient_table, fit_note
from reports.papers.muennighoff.claims import claims, reasons
from reports.papers.muennighoff.figures import FIGURES
from reports.papers.muennighoff.study import DELTA, FREE_DRAWS, PRINTED, Muennighoff, build, read, worth
from reports.papers.reproduction import Reproduction, with_usual_page

MINIMA = (
    text("point"),
    number("R_D", "R_D", general(5)),
    number("R_N", "R_N", general(5)),
    number("objective", "objective", general(7)),
    number("over", "over the best", percent),
    number("worth_4", "worth of 4 epochs", general(4)),
    number("worth_16", "of 16 epochs", general(4)),
)


def minima_table(data: Muennighoff) -> Table:
    """Return every minimum that the search found, the published point, and the fit of all coefficients."""
    search = data.fit.search
    assert search is not None
    found = [("lowest", data.params, data.objective), ("as published", PUBLISHED, data.published_objective)]
    found += [(f"another minimum ({other.starts} starts)", other.params, other.objective) for other in search.others]
    rows = [_minimum(*point, best=data.objective) for point in found]
    if data.free.objective is not None:
        rows.append(_minimum("all coefficients free", data.free_params, data.free.objective))
    note = (
        f"Sum of Huber losses of ln L, delta {DELTA:g}, {len(data.loss)} runs; {search.starts} starts. Worth: how many "
        "times the unique tokens so many epochs count for."
    )
    return Table(name="minima", title="Minima of the objective", note=note, columns=MINIMA, rows=tuple(rows))


def _minimum(name: str, params: Mapping[str, float], objective: float, best: float | None = None) -> tuple[Cell, ...]:
    R_D, R_N = params["R_D"], params["R_N"]
    over = None if best is None else objective / best - 1
    return name, R_D, R_N, objective, over, float(worth(R_D, 4)), float(worth(R_D, 16))


def reproduction() -> Reproduction:
    """Return the study refitted from the shipped rows."""
    data = build(read())
    low, high = data.flat
    ends = (
        f"any R_D from {low:.3g} to {high:.3g} fits within 0.1 % of the best" if low and high else "R_D is identified"
    )
    answer = (
        f"The published R_D of {PUBLISHED['R_D']:.1f} is a local minimum: with the same coefficients held the lowest "
        f"is at {data.params['R_D']:.1f}, and {ends}. Four epochs cost little at all of these values."
    )
    note = fit_note(data.fit, f"; all free: {len(data.loss)} runs, {FREE_DRAWS} draws")
    fits = {"R_D and R_N fitted": data.fit, "all fitted": data.free}
    return with_usual_page(
        data,
        FIGURES,
        title="Repeated data: arXiv 2305.16264",
        question="What are tokens worth that a model has seen before?",
        answer=answer,
        claims=claims(data),
        reasons=reasons(data),
        tables=(coefficient_table(fits, dict.fromkeys(fits, (PRINTED,)), note=note), minima_table(data)),
        footer=f"n = {len(data.loss)} runs; {data.source}.",
        summary={
            "n": len(data.loss),
            "fitted": data.params,
            "objective": data.fit.objective,
            "published_objective": data.published_objective,
            "R_D_within_a_thousandth": list(data.flat),
            "all_free": data.free_params,
        },
    )
