"""The tables of what was fitted, each one function of the evidence and one line of FITTED. None: nothing to say."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from planners.records.quantity import format_quantity
from reports.page.number_text import fixed, flops, general, percent
from reports.page.table import Cell, Column, Table
from reports.study.arm_series import Series, heading
from reports.study.evidence import Evidence
from reports.study.lead import OPEN, Side, leads, sides

if TYPE_CHECKING:
    from fits.compare.means import Difference
    from fits.repeats.reuse import Equivalence
    from fits.result import FitResult, Optimum, Param

SERIES = Column(name="series", head="runs of", text=True)


def fit(evidence: Evidence) -> Table | None:
    """Return the coefficients of every fit, with intervals."""
    columns = (
        Column(name="fit", head="fit", text=True), Column(name="parameter", head="parameter", text=True),
        Column(name="value", head="value", show=general(5)), Column(name="lo", head="95 % low", show=general(5)),
        Column(name="hi", head="95 % high", show=general(5)), Column(name="status", head="status", text=True),
        Column(name="n", head="n"), Column(name="dof", head="dof"),
        Column(name="objective", head="objective", show=general(4)),
        Column(name="residual_sd", head="residual SD", show=general(3)),
    )  # fmt: skip
    rows = [row for result in evidence.fits for row in _numbers(result)]
    said = [
        f"{fit.law}: {fit.formula}; minimised: {fit.objective_name}; intervals: {fit.interval}."
        for fit in evidence.fits
    ]
    note = " ".join(dict.fromkeys(said))
    return Table(name="fit", title="Fits", note=note, columns=columns, rows=tuple(rows)) if rows else None


def _numbers(result: "FitResult") -> Iterator[tuple[Cell, ...]]:
    """Yield the coefficients of a fit, its optimum, that without blocks, the rates that do as well, the lowest loss."""
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


def curves(evidence: Evidence) -> Table | None:
    """Return what every curve says of the same runs: how much of the answer is the choice of the curve."""
    columns = (
        Column(name="fit", head="runs of", text=True), Column(name="curve", head="curve", text=True),
        Column(name="value", head="lowest at", show=general(3)), Column(name="lo", head="95 % low", show=general(3)),
        Column(name="hi", head="95 % high", show=general(3)), Column(name="loss", head="loss there", show=general(5)),
        Column(name="residual_sd", head="residual SD", show=general(3)),
        Column(name="misfit", head="p of its misses", show=general(2)), Column(name="note", head="note", text=True),
    )  # fmt: skip
    rows = [
        (result.name, row.law, row.value, row.lo, row.hi, row.loss, row.residual_sd, row.misfit, row.note)
        for result in evidence.answering
        for row in result.sensitivity
    ]
    whose = f"; the answer's interval is that of {evidence.interval_of}" if evidence.interval_of else ""
    note = f"Each interval here assumes the shape of its curve{whose}."
    return Table(name="curves", title="Other curves", note=note, columns=columns, rows=tuple(rows)) if rows else None


def crossings(evidence: Evidence) -> Table | None:
    """Return between which rates the MoE curve is below each dense arm."""
    columns = (
        Column(name="fit", head="fit", text=True), Column(name="dense", head="dense arm", text=True),
        Column(name="side", head="side", text=True), Column(name="value", head="crossed at", show=general(3)),
        Column(name="lo", head="95 % low", show=general(3)), Column(name="hi", head="95 % high", show=general(3)),
        Column(name="reason", head="meaning", text=True),
    )  # fmt: skip
    rows = [
        (result.name, each.dense, each.side, each.value, each.lo, each.hi, each.reason)
        for result in evidence.answering
        for each in result.crossings
    ]
    note = "Where, leaving its minimum, the fitted MoE curve rises to the loss of a dense arm of the same budget."
    return Table(name="crossings", title="Crossings", note=note, columns=columns, rows=tuple(rows)) if rows else None


def contrasts(evidence: Evidence) -> Table | None:
    """Return each side of the lowest MoE arm and its leads over dense arms, with blocked and plain standard errors."""
    columns = (
        SERIES, Column(name="contrast", head="mean loss of", text=True), Column(name="less", head="less", text=True),
        Column(name="difference", head="difference", unit="nats/token", show=fixed(4)),
        Column(name="se", head="SE", unit="blocked", show=fixed(4)), Column(name="dof", head="dof"),
        Column(name="errors", head="in SE", show=fixed(1)),
        Column(name="lo", head="95 % low", show=fixed(4)), Column(name="hi", head="95 % high", show=fixed(4)),
        Column(name="plain_se", head="SE", unit="plain", show=fixed(4)),
        Column(name="tried", head="chosen among"), Column(name="verdict", head="verdict", text=True),
    )  # fmt: skip
    rows = [
        row
        for series in evidence.series
        for row in (*map(_side, [heading(series, evidence.series)] * 2, sides(series)), *_leads(series, evidence))
        if row
    ]
    note = (
        "Differences of mean losses over the finished seeds, one noise for all arms. Blocked: each seed has an "
        "intercept of its own; plain: it has none. Intervals are blocked and widened by Bonferroni for the arms or "
        "pairs that the pair was chosen among. A side is clear where the interval lies above zero, suggestive where it "
        "would without the widening."
    )
    return _table("contrasts", "Arm against arm", note, columns, rows)


def _side(where: str, side: Side) -> tuple[Cell, ...] | None:
    if side.difference is None:
        return None
    names = (f"{side.end.name} ({side.side} end)", f"{side.lowest.name} (lowest)")
    return where, *names, *_judged(side.difference, side.tried), side.verdict


def _leads(series: Series, evidence: Evidence) -> list[tuple[Cell, ...]]:
    rows = []
    for lead in leads(series):
        dense = f"{lead.dense.name} ({'lowest dense' if lead.over == 'best' else 'dense of equal N'})"
        low, high = lead.ends or (None, None)
        sure = None if low is None or high is None else "MoE lower" if low > 0 else "dense lower" if high < 0 else OPEN
        judged = _judged(lead.difference, lead.tried)
        rows.append((heading(series, evidence.series), dense, f"{lead.moe.name} (lowest MoE)", *judged, sure))
    return rows


def _judged(found: "Difference", tried: int) -> tuple[Cell, ...]:
    """Return difference, SE, dof, the ratio of the first two, the interval, the plain SE, and among how many."""
    half = found.half(tried)
    ends = (None, None) if half is None else (found.value - half, found.value + half)
    ratio = found.value / found.se if found.se else None
    return found.value, found.se, found.dof, ratio, *ends, found.plain_se, tried


def constancy(evidence: Evidence) -> Table | None:
    """Return where each cell of the study is lowest, what it would be were it one number, and how it moves."""
    found = evidence.constancy
    if found is None:
        return None
    columns = (
        Column(name="cell", head="cell", text=True), Column(name="C", head="C", unit="FLOPs", show=flops),
        Column(name="N", head="N", show=format_quantity), Column(name="value", head="value", show=general(3)),
        Column(name="lo", head="95 % low", show=general(3)), Column(name="hi", head="95 % high", show=general(3)),
        Column(name="n", head="MoE runs"), Column(name="sd", head="residual SD", unit="nats/token", show=general(2)),
        Column(name="p", head="p", show=general(2)),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (f"{found.of}* of {cell.label or 'the study'}", cell.C, cell.N, cell.value, None, None, cell.n, cell.sd, None)
        for cell in found.cells
    ]
    n = sum(cell.n for cell in found.cells)
    rows.append((f"{found.of}* were it one number", None, None, found.value, found.lo, found.hi, n, None, found.p))
    for slope in found.slopes:
        name = f"ln {found.of}* for one unit of ln {slope.by}"
        rows.append((name, None, None, slope.value, slope.lo, slope.hi, n, None, None))
    note = (
        f"Each cell a {found.basis} of its own; p: of a movement as large where there is none, "
        f"F({found.shape_dof}, {found.error_dof}) = {found.F:.3g}; by curve: "
        + ", ".join(f"{name} {p:.2g}" for name, p in found.sensitivity.items())
        + ". A dash: lowest at an end of the sampled rates, or no interval of its own."
    )
    return _table("constancy", "r_a* over budgets and sizes", note, columns, rows)


def reuse(evidence: Evidence) -> Table | None:
    """Return what repeated data lost against fresh data, by group, with what the design could have seen."""
    columns = (
        Column(name="scheme", head="scheme", text=True), Column(name="of", head="arms", text=True),
        Column(name="epochs_lo", head="epochs from", show=general(3)),
        Column(name="epochs_hi", head="to", show=general(3)),
        Column(name="excess", head="excess", unit="nats/token", show=fixed(4)),
        Column(name="lo", head="95 % low", show=fixed(4)), Column(name="hi", head="95 % high", show=fixed(4)),
        Column(name="n", head="n"), Column(name="margin", head="margin", show=general(2)),
        Column(name="p", head="TOST p", show=general(2)), Column(name="power", head="power", show=percent),
        Column(name="detectable", head="seen in 80 %", unit="nats/token", show=general(2)),
        Column(name="smallest", head="shown equal in 80 %", unit="nats/token", show=general(2)),
        Column(name="verdict", head="verdict", text=True),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for found in evidence.reuse:
        for one in found.equivalences:
            tested = (one.margin, one.p, one.power, seen(one), one.smallest, one.words)
            rows.append((found.scheme, one.of, *one.epochs, one.excess, one.lo, one.hi, one.n, *tested))
    note = (
        "Excess: loss on repeated data less that of the fresh twin of the same arm, tokens and seed; n: independent "
        "differences. Seen in 80 %: the true excess that such a study would tell from zero in 80 % of cases; shown "
        "equal: the margin within which it would call no excess equal. Both at the SD found; each group at its own 5 %."
    )
    return _table("reuse", "Repeated against fresh data", note, columns, rows)


def reuse_cost(evidence: Evidence) -> Table | None:
    """Return how the excess grows with epochs."""
    columns = (
        Column(name="scheme", head="scheme", text=True), Column(name="of", head="arms", text=True),
        Column(name="cost", head="cost", unit="nats/token", show=general(3)),
        Column(name="lo", head="95 % low", show=general(3)), Column(name="hi", head="95 % high", show=general(3)),
        Column(name="n", head="n"), Column(name="free_epochs", head="free epochs", show=general(3)),
        Column(name="free_lo", head="95 % low", show=general(3)),
        Column(name="free_hi", head="95 % high", show=general(3)),
        Column(name="half_life", head="R_D*", show=general(3)),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (found.scheme, c.of, c.value, c.lo, c.hi, c.n, c.free_epochs, c.free_lo, c.free_hi, c.half_life)
        for found in evidence.reuse
        for c in found.costs
    ]
    note = (
        "Excess = cost × (epochs − 1)² / (2 epochs), to first order arXiv 2305.16264. Free epochs: where it reaches "
        "the margin; a dash where that lies beyond the epochs that were run, or all pairs have one number of epochs. "
        "R_D* needs the slope of the loss by ln D."
    )
    return _table("reuse-cost", "Cost of repetition", note, columns, rows)


def comparison(evidence: Evidence) -> Table | None:
    """Return how well each law describes the runs, and foretells those that it was not shown."""
    columns = (
        Column(name="data", head="runs of", text=True), Column(name="law", head="law", text=True),
        Column(name="n", head="runs"), Column(name="parameters", head="parameters"),
        Column(name="residual_sd", head="residual SD", unit="of ln L", show=general(2)),
        Column(name="delta", head="ΔAICc", show=fixed(1)), Column(name="weight", head="weight", show=general(2)),
        Column(name="error", head="held-out error", unit="of ln L", show=general(2)),
        Column(name="covered", head="inside 95 %", show=percent),
        Column(name="largest", head="largest held out", text=True),
        Column(name="largest_error", head="its error", unit="of ln L", show=general(2)),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for found in evidence.comparisons:
        for s in found.scores:
            beyond = (s.largest.group, s.largest.error) if s.largest else (None, None)
            known = (s.n, s.parameters, s.residual_sd, s.delta, s.weight, s.error, s.covered)
            rows.append((found.heading, s.law, *known, *beyond))
    by = " or ".join(dict.fromkeys(found.by for found in evidence.comparisons))
    note = (
        f"Least squares. Held out: each {by} foretold from the others, root mean square error of ln L. Weight: share "
        "of the evidence by AICc. " + " ".join(note for found in evidence.comparisons for note in found.notes)
    ).strip()
    return _table("comparison", "Comparison of laws", note, columns, rows)


def seen(one: "Equivalence") -> float | None:
    """Return the excess that a study like this one tells from zero in 80 % of cases; None without an SD."""
    from fits.repeats.tost import detectable

    return None if one.sd is None else detectable(one.sd, one.n)


def _table(
    name: str, title: str, note: str, columns: tuple[Column, ...], rows: Sequence[tuple[Cell, ...]]
) -> Table | None:
    return Table(name=name, title=title, note=note, columns=columns, rows=tuple(rows)) if rows else None


FITTED: dict[str, Callable[[Evidence], Table | None]] = {
    "contrasts": contrasts,
    "fit": fit,
    "curves": curves,
    "crossings": crossings,
    "constancy": constancy,
    "reuse": reuse,
    "reuse-cost": reuse_cost,
    "comparison": comparison,
}
"""Name -> table."""
