"""Fits and findings as text, in the style of lmfit's report; a missing number is replaced by its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from fits.compare.compute_multiplier import multipliers_text
from fits.predict.published_rates import PublishedRate, published_text
from fits.runs.table import UNITS
from planners.records.quantity import format_flops, format_quantity

if TYPE_CHECKING:  # results import this module for their `str`
    from fits.drift.constancy import Constancy
    from fits.isoflop import Budget, Isoflop
    from fits.repeats.reuse import Cost, Equivalence, Reuse
    from fits.result import FitResult, Optimum, Param
    from fits.study import StudyFits
    from planners.records.check import Check


def study_summary(found: StudyFits) -> str:
    """Return all fits and findings of a study, a paragraph each."""
    parts = [isoflop_summary(found.isoflop)] if found.isoflop else []
    parts += [
        *map(summary, found.fits),
        *map(str, found.predictions),
        *map(str, found.comparison),
        *map(reuse_summary, found.reuse),
    ]
    parts += [constancy_summary(found.constancy)] if found.constancy else []
    by_place: dict[tuple[float, float], list[PublishedRate]] = {}
    for one in found.published:
        by_place.setdefault((one.N, one.C), []).append(one)
    parts += [published_text(each) for each in by_place.values()]
    parts += ["\n".join(lines)] if (lines := multipliers_text(found.multipliers, found.no_multiplier)) else []
    parts += [f"[[Refused]] {what}: {why}" for what, why in found.refused.items()]
    return "\n\n".join([*parts, checks_summary(found.checks)])


def summary(result: FitResult) -> str:
    """Return a fit as text: what was fitted, how well, the parameters, the optimum, and notes."""
    lines = [f"[[{result.law}]] {result.formula}", *_statistics(result), "[[Parameters]]", *_parameters(result)]
    if result.optimum:
        lines += [
            "[[Optimum]]",
            *_optimum(result.optimum, result.unit),
            *(f"    {one.sentence}" for one in result.without),
        ]
    lines += [f"[[Dense]] {line}" for line in _crossings(result)]
    if result.sensitivity:
        lines += ["[[Curves]] fitted to the same runs, each with the interval that assumes its shape", *_curves(result)]
    if result.blocks:
        blocks = result.blocks
        lines += [
            f"[[Blocks]] {blocks.n} values of {blocks.by}",
            f"    residual SD {blocks.sd:.3g} with blocks, {blocks.plain_sd:.3g} without",
            "    without blocks:",
            *("    " + line for line in _optimum(blocks.plain, result.unit)),
        ]
    lines += [f"[[Left out]] {line}" for line in _left_out(result)]
    lines += [f"[[Note]] {note}" for note in result.notes]
    return "\n".join(lines)


def isoflop_summary(found: Isoflop) -> str:
    """Return the best size of each budget and the exponents as text."""
    lines = [f"[[IsoFLOP]] parabolas in ln N for {len(found.budgets)} budgets; intervals for a curve of any shape"]
    lines += [f"    C = {format_flops(each.C)}: {_minimum(each)}" for each in found.budgets]
    for one in found.exponents:
        a, b = _with_ends(one.N, one.N_ends), _with_ends(one.D, one.D_ends)
        lines.append(f"    {one.approach}: N_opt grows as C^{a}, D_opt as C^{b}")
    return "\n".join([*lines, *(f"[[Note]] {note}" for note in found.notes)])


def _minimum(budget: Budget) -> str:
    if budget.N is None or budget.D is None:
        return f"no minimum within the sampled N ({budget.edge} end)" if budget.edge else "no minimum"
    cubic = "" if budget.cubic is None else f"; by a cubic {format_quantity(budget.cubic)}"
    ends = [None if end is None else format_quantity(end) for end in (budget.lo, budget.hi)]
    low, high = ends
    between = f"{low} to {high}" if low and high else f"above {low}" if low else f"below {high}" if high else "open"
    per = f"D {format_quantity(budget.D)}, D/N {_number(budget.D / budget.N, 3)}"
    return f"N {format_quantity(budget.N)} (95 %: {between}), {per}, loss {_number(budget.loss)}{cubic}"


def _with_ends(value: float, ends: tuple[float, float] | None) -> str:
    return _number(value, 3) + ("" if ends is None else f" (95 %: {_number(ends[0], 3)} to {_number(ends[1], 3)})")


def reuse_summary(found: Reuse) -> str:
    """Return what repeated data cost, as text."""
    lines = [f"[[Data reuse]] {found.scheme}, {_pairs(len(found.pairs))} of a repeated and a fresh run"]
    lines += [f"    {_equivalence(one, found.unit)}" for one in found.equivalences]
    lines += [f"    {line}" for line in map(_cost, found.costs)]
    if found.heterogeneity:
        arms = found.heterogeneity
        lines.append(f"    arms differ: F({arms.arms_dof}, {arms.error_dof}) = {arms.F:.2f}, p = {arms.p:.2g}")
    if found.interaction:
        test = found.interaction
        interval = f"{_number(test.lo, 3)} to {_number(test.hi, 3)}"
        lines.append(f"    MoE minus dense: cost {_number(test.value, 3)} (95 %: {interval}), p = {test.p:.2g}")
    return "\n".join([*lines, *(f"[[Note]] {note}" for note in found.notes)])


def _pairs(count: int) -> str:
    return "1 pair" if count == 1 else f"{count} pairs"


def _equivalence(one: Equivalence, unit: str) -> str:
    low, high = one.epochs
    epochs = f"{low:.3g} epochs" if high < low * 1.005 else f"{low:.3g} to {high:.3g} epochs"
    excess = f"excess {one.excess:+.4f} {unit}"
    if one.lo is not None and one.hi is not None:
        excess += f" (95 %: {one.lo:+.4f} to {one.hi:+.4f}, n = {one.n})"
    else:
        excess += f" (n = {one.n}: no interval)"
    verdict = one.words
    if one.p is not None and one.power is not None:
        verdict += f": TOST p = {one.p:.2g}, power {one.power:.0%}"
    seen = "" if one.smallest is None else f"; smallest margin it could show {one.smallest:.2g}"
    worth = "" if one.worth is None else f"; a repeated token is worth {one.worth:.3g} fresh tokens"
    if one.worth is not None and one.worth_lo is not None and one.worth_hi is not None:
        worth += f" ({one.worth_lo:.3g} to {one.worth_hi:.3g})"
    return f"{one.of:<9} {epochs}: {excess}; {verdict}{seen}{worth}"


def _cost(cost: Cost) -> str:
    text = f"{cost.of:<9} cost {_number(cost.value, 3)}"
    if cost.lo is not None:
        text += f" (95 %: {_number(cost.lo, 3)} to {_number(cost.hi, 3)})"
    if cost.free_lo is not None:
        free = "beyond the tested range" if cost.free_epochs is None else f"up to {cost.free_epochs:.3g}"
        above = "" if cost.free_hi is None else f" to {cost.free_hi:.3g}"
        text += f"; free epochs {free} (95 %: {'from ' if not above else ''}{cost.free_lo:.3g}{above})"
    if cost.half_life is not None:
        text += f"; R_D* {_number(cost.half_life, 3)}"
        text += "" if cost.lo is None else f" (95 %: {_ends((cost.half_life_lo, cost.half_life_hi))})"
    return text


def checks_summary(checks: Mapping[str, Sequence[Check]]) -> str:
    """Return how many checks of each fit warn, and the evidence of those that do."""
    lines = []
    for law, found in checks.items():
        fired = [check for check in found if check.verdict != "ok"]
        lines.append(f"[[Checks]] {law}: {len(fired)} of {len(found)} warn" + (":" if fired else ""))
        lines += [f"    {check.name}: {check.evidence}" for check in fired]
    return "\n".join(lines)


def constancy_summary(found: Constancy) -> str:
    """Return whether the optimum is the same in all cells, as text."""
    lines = [
        f"[[Constancy]] of {found.of} over {len(found.cells)} cells, each with {found.basis}",
        *(f"    {cell.label}: cubic lowest at {_number(cell.value)}, n = {cell.n}" for cell in found.cells),
    ]
    if found.F is None or found.p is None:
        return "\n".join([*lines, f"    not tested: {found.withheld}"])
    lines += [
        f"    test of one optimum: F({found.shape_dof}, {found.error_dof}) = {found.F:.2f}, p = {found.p:.2g}",
        f"    if it is the same in all: {_number(found.value)} (95 %: {_ends((found.lo, found.hi))})",
    ]
    for slope in found.slopes:
        interval = f"95 %: {_ends((slope.lo, slope.hi))}; trend test p = {slope.p:.2g}"
        lines.append(f"    ln {found.of}* changes by {_number(slope.value, 3)} per unit of ln {slope.by} ({interval})")
    factor = None if found.detectable is None else math.exp(found.detectable)
    power = "no change within the sampled range" if factor is None else f"a factor of {factor:.3g}"
    lines.append(f"    power: between the first and the last cell, 80 % of studies would detect {power}")
    return "\n".join([*lines, *(f"[[Note]] {note}" for note in found.notes)])


def _left_out(result: FitResult) -> list[str]:
    """Return the rows that were left out, one reason a line."""
    by_reason: dict[str, list[int]] = {}
    for one in result.dropped:
        by_reason.setdefault(one.reason, []).append(one.row)
    return [f"{_rows(rows)}: {reason}" for reason, rows in by_reason.items()]


def _rows(rows: list[int]) -> str:
    if len(rows) == 1:
        return f"row {rows[0]}"
    shown = ", ".join(map(str, rows[:8])) + (", …" if len(rows) > 8 else "")
    return f"{len(rows)} rows ({shown})"


def _statistics(result: FitResult) -> list[str]:
    lines = [
        f"    data        {_data(result)}: n = {result.n}, dof = {result.dof}",
        f"    status      {result.status}" + (f": {result.reason}" if result.reason else ""),
        f"    objective   {_number(result.objective, 9)} ({result.objective_name})",
        f"    residual SD {_number(result.residual_sd)}",
        f"    intervals   {result.interval}",
    ]
    lines += [f"    loss        in {UNITS[result.unit]}"] if result.unit != "nats" else []
    if result.search:
        search = result.search
        gradient = _number(search.gradient, 2)
        lines.append(f"    search      {search.agreeing} of {search.starts} starts agree, relative gradient {gradient}")
        if search.others and search.within:
            lowest = _number(search.others[0].objective, 9)
            others = f"{len(search.others)} within {search.within:g} times the objective, the lowest at {lowest}"
            lines.append(f"    other minima {others}")
    lines += [f"    {name:<11} {_number(ends[0])} to {_number(ends[1])}" for name, ends in result.domain.items()]
    return lines


def _data(result: FitResult) -> str:
    heading = result.series.heading if result.series else ""
    return f"{result.data}, {heading}" if heading else result.data


def _parameters(result: FitResult) -> list[str]:
    return [f"    {name:<6} {_param(param)}" for name, param in result.params.items()]


def _param(param: Param) -> str:
    if param.value is None:
        return f"not given: {param.status}"
    status = "" if param.status == "converged" else f" ({param.status})"
    if param.lo is None or param.hi is None:
        return f"{_number(param.value, 6)} (no interval){status}"
    errors = ""
    if param.lo_error is not None and param.hi_error is not None:
        errors = f", ends +- {_number(param.lo_error, 2)} and +- {_number(param.hi_error, 2)} by the number of draws"
    return f"{_number(param.value, 6)} (95 %: {_number(param.lo)} to {_number(param.hi)}{errors}){status}"


def _optimum(optimum: Optimum, unit: str) -> list[str]:
    shown = "not given" if optimum.value is None else _number(optimum.value)
    lines = [f"    {optimum.of} = {shown} (95 %: {_ends((optimum.lo, optimum.hi))})"]
    lines.append(f"    {optimum.status}: {optimum.reason}")
    if optimum.loss is not None:
        lines.append(f"    loss there {_number(optimum.loss)} (95 %: {_ends((optimum.loss_lo, optimum.loss_hi))})")
    if optimum.region and optimum.margin:
        lines.append(f"    within {optimum.margin:.3g} {unit} of it: {_ends(optimum.region)}")
    if optimum.region_ends:
        low, high = optimum.region_ends
        lines.append(f"    95 % of the ends of that: {_ends(low)}; {_ends(high)}")
    return lines


def _crossings(result: FitResult) -> list[str]:
    lines = []
    for each in result.crossings:
        where = "" if each.value is None else f"{_number(each.value)} (95 %: {_ends((each.lo, each.hi))}), "
        lines.append(f"{each.side} side: {where}{each.reason}")
    return lines


def _curves(result: FitResult) -> list[str]:
    lines = []
    for row in result.sensitivity:
        if row.residual_sd is None:
            lines.append(f"    {row.law:<9} {row.note}")
            continue
        value = row.note if row.value is None else _number(row.value)
        misfit = "" if row.misfit is None else f", misfit p = {row.misfit:.2g}"
        lines.append(f"    {row.law:<9} {value} (95 %: {_ends((row.lo, row.hi))}), SD {row.residual_sd:.3g}{misfit}")
    return lines


def _ends(ends: tuple[float | None, float | None]) -> str:
    lo, hi = ends
    if lo is None and hi is None:
        return "open at both ends"
    if lo is None:
        return f"below {_number(hi)}"
    return f"above {_number(lo)}" if hi is None else f"{_number(lo)} to {_number(hi)}"


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}g}"
