"""The answer first: where the loss is lowest, in words no stronger than the data, and the lead over dense models."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planners.records.quantity import format_quantity
from reports.page.number_text import counted, flops, listed, nats, percent, span
from reports.page.page import Step
from reports.study.arm_series import Series, heading
from reports.study.evidence import Evidence
from reports.study.lead import CLEAR, SUGGESTIVE, UNSAMPLED, Lead, Side, all_leads, sides
from reports.study.movement import in_equal_time, moves
from reports.study.next_steps import steps

if TYPE_CHECKING:
    from fits.result import Ends, FitResult, Optimum


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the study says."""

    optimum: str
    """Where the loss is lowest, or why no optimum is claimed; with several series, each in a few words."""
    details: tuple[str, ...]
    """How that was found and what it hangs on, a paragraph for each series."""
    lead: str
    """What MoE and dense differ by at equal C, with n; with several series, what their points say."""
    points: tuple[str, ...]
    """The verdict and the leads of each of several series."""
    leads: tuple[Lead, ...]
    """The numbers of that sentence."""
    steps: tuple[Step, ...]
    """What to do next, most urgent first."""

    @property
    def text(self) -> str:
        """The answer in one paragraph."""
        return " ".join([self.optimum, self.lead, *(f"{point}." for point in self.points)])


def answer(evidence: Evidence) -> Answer:
    """Return what `evidence` says of the question."""
    leads = all_leads(evidence)
    return Answer(
        optimum=optimum_sentence(evidence),
        details=tuple(_details(evidence)),
        lead=lead_sentence(evidence, leads),
        points=series_points(evidence, leads),
        leads=leads,
        steps=steps(evidence),
    )


def question_sentence(evidence: Evidence) -> str:
    """Return the question in words, with N, C, convention and corpus."""
    question = evidence.question
    N = listed(map(format_quantity, evidence.totals))
    equal = f"training compute C = {listed(map(flops, question.budgets or evidence.budgets))}"
    asked = [arm.spec.target for arm in evidence.arms]
    if asked and all("D" in target and "C" not in target for target in asked):
        equal = f"D = {listed(dict.fromkeys(format_quantity(target['D']) for target in asked))} training tokens"
    return (
        f"At N = {N} parameters (vocabulary apart) and {equal} ({question.flops_convention} FLOPs) on "
        f"{evidence.corpus}: at which activation rate r_a = N_a / N is the validation loss lowest, and how wide is the "
        "range of rates that do as well?"
    )


def optimum_sentence(evidence: Evidence) -> str:
    """Return where the fitted loss is lowest, or why no optimum is claimed."""
    if len(evidence.series) == 1:
        return verdict(evidence.series[0], evidence)
    if not evidence.series:
        return "Unresolved. No optimum is claimed: no MoE run is done."
    if not evidence.answering:
        return f"Unresolved. No optimum is claimed: {_unfitted(evidence)}."
    return f"{_overall(evidence)} {moves(evidence) or ''}".strip()


def _overall(evidence: Evidence) -> str:
    """Return in how many of several series the optimum is placed, and where."""
    found, n = [placed for one in evidence.series if (placed := _placed(one)) is not None], len(evidence.series)
    if not found:
        return f"Unresolved. No optimum is claimed in any of {n} series of runs."
    if len(found) == n:
        return f"The fitted loss is lowest at r_a = {span(found, percent)} over {n} series of runs."
    return f"An optimum is placed in {len(found)} of {n} series of runs, at r_a = {span(found, percent)}."


def _placed(series: Series) -> float | None:
    optimum = series.fit.optimum if series.fit else None
    return optimum.value if optimum and optimum.status == "converged" else None


def verdict(series: Series, evidence: Evidence) -> str:
    """Return the verdict on one series: an interior minimum, an edge, or unresolved; and each side by its contrast."""
    fit, flanks = series.fit, sides(series)
    judged = "; ".join(map(_side, flanks))
    optimum = fit.optimum if fit else None
    if fit is None or optimum is None:
        said = f"Unresolved. No optimum is claimed: {_unfitted(evidence)}"
    elif optimum.status == "converged" and optimum.value is not None:
        said = _converged(fit, optimum, optimum.value, flanks)
    elif optimum.status == "edge":
        said = f"No minimum inside the grid: {_edge(fit, optimum)}"
    else:
        said = f"Unresolved. No optimum is claimed: {optimum.reason}"
    return f"{said}. Measured, without a curve: {judged}." if judged else f"{said}."


def _unfitted(evidence: Evidence) -> str:
    if not evidence.fits:
        return "no law has been fitted to these runs"
    if not evidence.answering:
        return f"the fitted law ({evidence.fits[0].law}) has none"
    return "no curve has been fitted to these runs"


def _converged(fit: "FitResult", optimum: "Optimum", value: float, flanks: tuple[Side, ...]) -> str:
    """Call the minimum interior only where its interval is closed and no side speaks against it."""
    low, high = optimum.lo is not None, optimum.hi is not None
    supported = all(flank.verdict in (CLEAR, SUGGESTIVE) for flank in flanks)
    found = f"r_a = {percent(value)} (95 % interval {ends(optimum.lo, optimum.hi, fit.domain['r_a'])})"
    if low and high and supported:
        return f"Interior minimum near {found}{_region(fit, optimum)}"
    return f"The fitted loss is lowest near {found}, not shown to be a minimum on both sides{_region(fit, optimum)}"


def _region(fit: "FitResult", optimum: "Optimum") -> str:
    if optimum.region is None or optimum.margin is None:
        return ""
    between = ((None, None), (None, None)) if optimum.region_ends is None else optimum.region_ends
    region = ends(*optimum.region, fit.domain["r_a"], *map(_of_end, between))
    return f"; rates from {region} are within the margin of {optimum.margin:.2g} nats/token of it"


def _of_end(between: "Ends") -> str:
    """Write the 95 % interval of an end of the region; nothing where it has none within the sampled rates."""
    low, high = between
    if low is None and high is None:
        return ""
    if low is None or high is None:
        return f" (95 %: {f'below {percent(high)}' if high is not None else f'above {percent(low or 0)}'})"
    return f" (95 %: {percent(low)} to {percent(high)})"


def _edge(fit: "FitResult", optimum: "Optimum") -> str:
    low, high = fit.domain["r_a"]
    where = f"low end (r_a {percent(low)})" if optimum.edge == "low" else f"high end (r_a {percent(high)})"
    return f"the fitted loss still falls at its {where}, so it is lowest at a rate of {_bound(optimum)} (95 % interval)"


def _bound(optimum: "Optimum") -> str:
    end, words = (optimum.hi, "at most") if optimum.edge == "low" else (optimum.lo, "at least")
    return "without a bound" if end is None else f"{words} {percent(end)}"


def _side(flank: Side) -> str:
    if flank.verdict == UNSAMPLED:
        return f"{flank.side} side {UNSAMPLED}: {flank.lowest.name} at that end is the lowest arm"
    assert flank.difference is not None
    errors = "one seed" if flank.errors is None else f"{flank.errors:.1f} standard errors"
    rise = nats(abs(flank.difference.value))
    above = "above" if flank.difference.value >= 0 else "below"
    return f"{flank.side} side {flank.verdict} ({flank.end.name} {rise} {above} {flank.lowest.name}, {errors})"


def _brief(series: Series) -> str:
    """Return the verdict on a series among others in a few words."""
    fit = series.fit
    optimum = fit.optimum if fit else None
    if fit is None or optimum is None or optimum.status not in ("converged", "edge"):
        return "unresolved"
    if optimum.status == "edge" or optimum.value is None:
        return f"lowest {_bound(optimum)}, an end of the grid"
    return f"lowest at {percent(optimum.value)} ({_short(optimum.lo)} to {_short(optimum.hi)})"


def ends(low: float | None, high: float | None, sampled: tuple[float, ...], of_low: str = "", of_high: str = "") -> str:
    """Write an interval of rates, each end with what is said of it; an open one lies beyond the sampled rates."""
    left = percent(low) if low is not None else f"below the lowest sampled rate ({percent(min(sampled))})"
    right = percent(high) if high is not None else f"beyond the highest sampled rate ({percent(max(sampled))})"
    return f"{left}{of_low} to {right}{of_high}"


def _details(evidence: Evidence) -> Iterable[str]:
    """Yield what each answer rests on; with several series, the verdict on each first."""
    several = len(evidence.series) > 1
    for series in evidence.series:
        said = [verdict(series, evidence)] if several and series.fit else []
        said += [_basis(series.fit)] if series.fit else []
        if said:
            yield f"{heading(series, evidence.series)}: {' '.join(said)}" if several else " ".join(said)


def _basis(fit: "FitResult") -> str:
    """Say what was fitted, what gave the interval, and what other curves and the seeds without blocks say."""
    optimum = fit.optimum
    said = f"By a {fit.law} in ln r_a of {counted(fit.n, 'MoE run')} ({fit.dof} degrees of freedom)"
    said += f"; the answer's interval is that of a {optimum.basis}." if optimum and optimum.basis else "."
    said += _other_curves(fit)
    if fit.blocks is None:
        return said
    plain = fit.blocks.plain
    at = plain.status.words
    if plain.value is not None:
        at = f"{percent(plain.value)} (95 % interval {ends(plain.lo, plain.hi, fit.domain['r_a'])})"
    return (
        f"{said} Residual SD {fit.blocks.sd:.2g} nats with the {fit.blocks.n} seeds as blocks, "
        f"{fit.blocks.plain_sd:.2g} without, and then the minimum is at: {at}."
    )


def _other_curves(fit: "FitResult") -> str:
    """Say where other curves are lowest, each with its own interval, and which of these lie outside the answer's."""
    others = [row for row in fit.sensitivity if row.value and row.law != fit.law]
    if not others:
        return ""
    found = [f"{row.law} {percent(row.value or 0)} ({_short(row.lo)} to {_short(row.hi)})" for row in others]
    optimum = fit.optimum
    low, high = (optimum.lo or 0, optimum.hi or 1) if optimum and optimum.basis else (0, 1)
    outside = [row.law for row in others if not low <= (row.value or 0) <= high]
    said = f" Other curves of the same runs put it at: {', '.join(found)}, each interval assuming its curve."
    return f"{said} Outside the answer's interval: {listed(outside)}." if outside else said


def _short(end: float | None) -> str:
    return "open" if end is None else percent(end)


def lead_sentence(evidence: Evidence, leads: tuple[Lead, ...]) -> str:
    """Return the measured lead of the best MoE arm over the dense arms in words, with n."""
    if leads and len(evidence.series) > 1:
        return _before_points(evidence)
    if leads:
        return _lead(next(series for series in evidence.series if _of(series, leads)), leads)
    for kind, arms in (("dense", evidence.dense), ("MoE", evidence.moe)):
        if not any(arm.done for arm in arms):
            why = "is done" if arms else "was planned"
            return f"No lead of MoE over dense can be stated: no {kind} run {why}."
    return "No lead of MoE over dense can be stated: no dense run is done at the budget of an MoE run."


def _before_points(evidence: Evidence) -> str:
    """Return what precedes the verdicts and leads of several series."""
    of_rates = f"of rates that of {evidence.interval_of}, " if evidence.interval_of else ""
    return (
        "By series, the rate at which the fitted loss is lowest, and by how many nats/token the lowest MoE arm ends "
        f"below dense arms of that budget (95 % intervals; {of_rates}of leads with seeds as blocks, widened for the "
        "choice among arms):"
    )


def _of(series: Series, leads: tuple[Lead, ...]) -> list[Lead]:
    return [lead for lead in leads if lead.series is series]


def _lead(series: Series, leads: tuple[Lead, ...]) -> str:
    """Return the leads of one series in full."""
    found = _of(series, leads)
    first, tried = found[0], len([arm for arm in series.moe if arm.done])
    best = f"the best of {tried} MoE arms" if tried > 1 else "the one MoE arm"
    said = f"At C = {flops(series.C)}, {best} ({first.moe.name}, r_a {percent(first.moe.spec.r_a)}) ends"
    said = f"{said} {' and '.join(map(_over, found))}"
    if first.ends is None:
        return f"{said}; n = 1 seed: no interval.{_rivals(series)}"
    chosen = ", widened for the choice among arms" if first.tried > 1 else ""
    how = "seeds as blocks" if first.difference.blocked else "seeds are no blocks"
    return f"{said}; 95 % intervals, {how}{chosen}, n = {counted(first.n, 'seed')}.{_rivals(series)}"


def _rivals(series: Series) -> str:
    """Say what is not known where no dense arm of another N was trained."""
    if any(arm.done for arm in series.controls):
        return ""
    return " No dense arm of another N was trained beside it, so nothing is said of the best dense model."


def _over(lead: Lead) -> str:
    """Return one lead in words, with N of the dense arm."""
    value, dense = lead.difference.value, lead.dense
    bpb = "" if lead.bpb is None else f" ({nats(abs(lead.bpb))} bits per byte)"
    side = "below" if value >= 0 else "above"
    N = f"N {format_quantity(dense.spec.N, 3)}"
    which = f"the dense arm of equal N and C ({N})"
    if lead.over == "best":
        which = f"the lowest of {lead.n_dense} dense arms ({dense.name}, {N})"
    elif lead.is_best and lead.n_dense > 1:
        which += f", which is the lowest of {lead.n_dense} dense arms"
    return f"{nats(abs(value))} nats/token{bpb} {side} {which}{_interval(lead)}"


def _interval(lead: Lead) -> str:
    """Return the interval of a lead, turned to the sign in which it is told."""
    if lead.ends is None:
        return ""
    turn = 1 if lead.difference.value >= 0 else -1
    low, high = sorted(turn * end for end in lead.ends)
    inside = ", which holds zero" if low <= 0 <= high else ""
    return f", {nats(low)} to {nats(high)}{inside}"


def series_points(evidence: Evidence, leads: tuple[Lead, ...]) -> tuple[str, ...]:
    """Return the verdict and the leads of several series in a few words each, then what equal time makes of them.

    Nothing where there is one series.
    """
    if len(evidence.series) < 2:
        return ()
    in_time = in_equal_time(evidence)
    return (*(_point(series, evidence, leads) for series in evidence.series), *([in_time] if in_time else []))


def _point(series: Series, evidence: Evidence, leads: tuple[Lead, ...]) -> str:
    found = _of(series, leads)
    over = [f"{_signed(lead)} {_rival(lead)}" for lead in found]
    said = f"{heading(series, evidence.series)}: {_brief(series)}"
    return f"{said}; {found[0].moe.name} ends {' and '.join(over)}" if found else said


def _rival(lead: Lead) -> str:
    """Return the dense arm of one lead in a few words."""
    if lead.over == "best":
        return "the lowest dense arm"
    return "the dense arm of equal N" + (" (the lowest)" if lead.is_best and lead.n_dense > 1 else "")


def _signed(lead: Lead) -> str:
    """Return a lead as a distance, with its interval turned to the side that it is told from."""
    value, ends = lead.difference.value, ""
    if lead.ends is not None:
        low, high = lead.ends if value >= 0 else (-lead.ends[1], -lead.ends[0])
        ends = f" ({nats(low)} to {nats(high)})"
    return f"{nats(abs(value))}{ends} {'below' if value >= 0 else 'above'}"
