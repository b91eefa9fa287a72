"""The tables of what was fitted: coefficients, other curves, crossings, drift of the optimum, comparison of laws."""

from collections.abc import Iterator
from typing import Protocol

from fits.result import FitResult, Optimum, Param
from reports.page.number_text import fixed, general, percent
from reports.page.table import (
    COUNT,
    CURVE,
    DOF,
    FIT,
    FLOPS,
    LAW,
    RESIDUAL_SD,
    RUNS,
    STATUS,
    THREE,
    N,
    P,
    Row,
    TableSpec,
    estimate,
    number,
    text,
)
from reports.study.evidence import Evidence


class Fitted(Protocol):
    """Anything that has fits."""

    @property
    def fits(self) -> tuple[FitResult, ...]:
        """The fits."""


def _fit(data: Fitted) -> Iterator[Row]:
    for result in data.fits:
        yield from _numbers(result)


def _numbers(result: FitResult) -> Iterator[Row]:
    """Yield the coefficients of a fit, its optimum with and without blocks, the ends of the region, the lowest loss."""
    best = result.optimum
    whole_fit = (result.n, result.dof, result.objective, result.residual_sd)
    found: list[tuple[str, Param | Optimum]] = list(result.params.items())
    found += [(f"optimum {best.of}", best)] if best else []
    for name, item in found:
        yield result.name, name, item.value, item.lo, item.hi, item.status.words, *whole_fit
    if result.blocks is not None:
        plain = result.blocks.plain
        without = (plain.value, plain.lo, plain.hi, plain.status.words)
        yield result.name, "optimum, seeds not as blocks", *without, *whole_fit[:-1], result.blocks.plain_sd
    if best is not None and best.region is not None and best.region_ends is not None:
        for side, end, between in zip(("low", "high"), best.region, best.region_ends, strict=True):
            status = "converged" if end is not None else "beyond the sampled rates"
            yield result.name, f"{side} end of rates within {best.margin:.2g}", end, *between, status, *whole_fit
    if best is not None and best.loss is not None:
        yield result.name, "lowest loss", best.loss, best.loss_lo, best.loss_hi, best.status, *whole_fit


def _about_fits(data: Fitted) -> str:
    said = (
        f"{fit.law}: {fit.formula}; minimised: {fit.objective_name}; intervals: {fit.interval}." for fit in data.fits
    )
    return " ".join(dict.fromkeys(said))


FITS: TableSpec[Fitted] = TableSpec(
    title="Fits",
    section="Optimum",
    columns=(
        *(FIT, text("parameter"), *estimate(number("value", show=general(5))), STATUS, COUNT, DOF),
        *(number("objective", show=general(4)), RESIDUAL_SD),
    ),
    rows=_fit,
    note=_about_fits,
)


def _curves(evidence: Evidence) -> Iterator[Row]:
    for result in evidence.answering:
        for row in result.sensitivity:
            found = (row.value, row.lo, row.hi, row.loss, row.residual_sd, row.misfit, row.note)
            yield result.name, row.law, *found


def _about_curves(evidence: Evidence) -> str:
    whose = f"; the answer's interval assumes {evidence.interval_of}" if evidence.interval_of else ""
    return f"Each interval assumes that its own curve is true{whose}."


CURVES = TableSpec(
    title="Other curves",
    section="Optimum",
    columns=(
        *(FIT.named("fit", "runs of"), CURVE, *estimate(number("value", "lowest at", THREE))),
        *(
            number("loss", "loss there", general(5)),
            RESIDUAL_SD,
            number("misfit", "lack-of-fit p", general(2)),
            text("note"),
        ),
    ),
    rows=_curves,
    note=_about_curves,
)


def _crossings(evidence: Evidence) -> Iterator[Row]:
    for result in evidence.answering:
        for each in result.crossings:
            yield result.name, each.dense, each.side, each.value, each.lo, each.hi, each.reason


CROSSINGS = TableSpec(
    title="Crossings",
    section="MoE against dense",
    columns=(
        *(FIT, text("dense", "dense arm"), text("side"), *estimate(number("value", "crossed at", THREE))),
        text("reason", "meaning"),
    ),
    rows=_crossings,
    note="The rates, on either side of its minimum, at which the fitted MoE curve reaches the loss of a dense arm of "
    "the same budget.",
)


def _constancy(evidence: Evidence) -> Iterator[Row]:
    """Yield where each cell is lowest, the one rate that fits all cells best, and how the rate moves."""
    found = evidence.constancy
    if found is None:
        return
    for cell in found.cells:
        name = f"{found.of}* of {cell.label or 'the study'}"
        yield name, cell.C, cell.N, cell.value, None, None, cell.n, cell.sd, None
    n = sum(cell.n for cell in found.cells)
    yield f"{found.of}* if it is constant", None, None, found.value, found.lo, found.hi, n, None, found.p
    for slope in found.slopes:
        name = f"ln {found.of}* for one unit of ln {slope.by}"
        yield name, None, None, slope.value, slope.lo, slope.hi, n, None, slope.p


def _about_constancy(evidence: Evidence) -> str:
    found = evidence.constancy
    assert found is not None
    tested = f"Not tested: {found.withheld}."
    if found.F is not None:
        F = f"F({found.shape_dof}, {found.error_dof}) = {found.F:.3g}"
        tested = f"p is the probability of a movement at least as large if the rate is constant ({F}), or of a trend."
    return (
        f"The value of a cell is the minimum of its cubic; the tests assume {found.basis}. {tested} A dash: the lowest "
        "loss is at an end of the sampled rates, or the cell has no interval of its own."
    )


CONSTANCY = TableSpec(
    title="r_a* over budgets and sizes",
    section="r_a* over N and C",
    columns=(
        *(text("cell"), FLOPS, N, *estimate(number("value", show=THREE)), RUNS.named("n", "MoE runs")),
        *(number("sd", "residual SD", general(2), "nats/token"), P),
    ),
    rows=_constancy,
    note=_about_constancy,
)


def _comparison(evidence: Evidence) -> Iterator[Row]:
    for found in evidence.comparisons:
        for s in found.scores:
            beyond = (s.largest.group, s.largest.error) if s.largest else (None, None)
            known = (s.n, s.parameters, s.residual_sd, s.delta, s.weight, s.error, s.covered)
            yield found.heading, s.law, *known, *beyond


def _about_comparison(evidence: Evidence) -> str:
    by = " or ".join(dict.fromkeys(found.by for found in evidence.comparisons))
    notes = " ".join(note for found in evidence.comparisons for note in found.notes)
    return (
        f"Least squares. Held-out error: each {by} is predicted from the others; root mean square error of ln L. "
        f"Weight: share of the evidence by AICc. {notes}"
    ).strip()


COMPARISON = TableSpec(
    title="Comparison of laws",
    section="Comparison of laws",
    columns=(
        *(text("data", "runs of"), LAW, RUNS, number("parameters")),
        number("residual_sd", "residual SD", general(2), "of ln L"),
        *(number("delta", "ΔAICc", fixed(1)), number("weight", show=general(2))),
        number("error", "held-out error", general(2), "of ln L"),
        *(number("covered", "inside 95 %", percent), text("largest", "largest held out")),
        number("largest_error", "its error", general(2), "of ln L"),
    ),
    rows=_comparison,
    note=_about_comparison,
)
