"""The answer of a study: one sentence first, then the numbers behind it as a list, with the leads of MoE over dense."""

from collections.abc import Iterator
from dataclasses import dataclass

from planners.records.quantity import format_quantity
from reports.page.number_text import counted, flops, listed, nats, percent
from reports.page.page import Step
from reports.study.at_a_glance import glance
from reports.study.claims import HOW_JUDGED, claims_question, claims_sentence
from reports.study.equal_time import equal_time_sentence
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Series, heading
from reports.study.evidence.contrasts import Lead, all_leads
from reports.study.movement import moves
from reports.study.next_steps import steps
from reports.study.optimum import in_brief, optimum_details, optimum_sentence, series_points


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the study says."""

    glance: str
    """Two plain sentences: the best active share and whether MoE beats dense. Of claims: how many hold."""
    sentence: str
    """Where the loss is lowest, or why no optimum is claimed; or how claims are judged."""
    more: tuple[str, ...]
    """With several series, whether the optimum moves and how to read `points`; else empty."""
    points: tuple[str, ...]
    """With one series, its region, its sides and its leads, one sentence each; with several, a line for each series."""
    details: tuple[str, ...]
    """How the optimum was found and what it depends on, a paragraph for each series."""
    leads: tuple[Lead, ...]
    """The numbers of the leads."""
    steps: tuple[Step, ...]
    """What to do next, most urgent first."""

    @property
    def text(self) -> str:
        """The answer in one paragraph."""
        return " ".join([self.glance, self.sentence, *self.more, *self.points])


def answer(evidence: Evidence) -> Answer:
    """Return the answer of a study to its question."""
    if evidence.verdicts:
        said, next_steps = claims_sentence(evidence), steps(evidence)
        return Answer(glance=said, sentence=HOW_JUDGED, more=(), points=(), details=(), leads=(), steps=next_steps)
    leads, several = all_leads(evidence), len(evidence.series) > 1
    return Answer(
        glance=glance(evidence, leads),
        sentence=optimum_sentence(evidence),
        more=tuple(_before_points(evidence, leads)) if several else (),
        points=tuple(_points_of_several(evidence, leads) if several else _points_of_one(evidence, leads)),
        details=tuple(optimum_details(evidence)),
        leads=leads,
        steps=steps(evidence),
    )


def question_sentence(evidence: Evidence) -> str:
    """Return the question in words, with N, C, convention and corpus."""
    if evidence.verdicts:
        return claims_question(evidence)
    question = evidence.question
    N = listed(map(format_quantity, evidence.totals))
    equal = f"training compute C = {listed(map(flops, question.budgets or evidence.budgets))}"
    asked = [arm.spec.target for arm in evidence.arms]
    if asked and all("D" in target and "C" not in target for target in asked):
        equal = f"D = {listed(dict.fromkeys(format_quantity(target['D']) for target in asked))} training tokens"
    return (
        f"At N = {N} parameters (without vocabulary) and {equal} ({question.flops_convention} FLOPs) on "
        f"{evidence.corpus}: at which activation rate r_a = N_a / N is the validation loss lowest, and how wide is the "
        "range of rates that do as well?"
    )


def _points_of_one(evidence: Evidence, leads: tuple[Lead, ...]) -> Iterator[str]:
    for series in evidence.series:
        yield from series_points(series)
        if leads:
            yield from lead_points(series, leads)
    if not leads:
        yield no_lead(evidence)


def _before_points(evidence: Evidence, leads: tuple[Lead, ...]) -> Iterator[str]:
    """Yield whether the optimum moves, then how to read the points of several series."""
    if evidence.answering and (moved := moves(evidence)):
        yield moved
    if not leads:
        yield no_lead(evidence)
        return
    of_rates = f"of rates: from {evidence.interval_of}; " if evidence.interval_of else ""
    yield (
        "For each series of runs: the rate with the lowest fitted loss, and the difference in nats/token between the "
        f"lowest MoE arm and dense arms of the same budget. 95 % intervals in brackets ({of_rates}of differences: "
        "with dense and MoE as independent unless said otherwise, widened for the choice among arms)."
    )


def _points_of_several(evidence: Evidence, leads: tuple[Lead, ...]) -> Iterator[str]:
    for series in evidence.series:
        yield _line(series, evidence, tuple(lead for lead in leads if lead.series is series))
    if (in_time := equal_time_sentence(evidence)) is not None:
        yield in_time


def _line(series: Series, evidence: Evidence, leads: tuple[Lead, ...]) -> str:
    said = f"{heading(series, evidence.series)}: {in_brief(series)}"
    return f"{said}; {lead_in_brief(leads)}." if leads else f"{said}."


def no_lead(evidence: Evidence) -> str:
    """Return why no lead of MoE over dense can be stated."""
    for kind, arms in (("dense", evidence.dense), ("MoE", evidence.moe)):
        if not any(arm.done for arm in arms):
            why = "is done" if arms else "was planned"
            return f"No lead of MoE over dense can be stated: no {kind} run {why}."
    return "No lead of MoE over dense can be stated: no dense run is done at the budget of an MoE run."


def lead_points(series: Series, leads: tuple[Lead, ...]) -> Iterator[str]:
    """Yield the leads of one series, one sentence each, then how their intervals were made."""
    first, tried = leads[0], len([arm for arm in series.moe if arm.done])
    best = f", the best of {tried} MoE arms," if tried > 1 else ", the only MoE arm,"
    moe = f"{first.moe.name} (r_a {percent(first.moe.spec.r_a)}){best}"
    for lead in leads:
        yield f"{moe if lead is first else first.moe.name} {_is_lower(lead)}."
    yield _intervals(first)
    if not any(arm.done for arm in series.controls):
        yield "No dense arm of another N was trained, so nothing is said of the best dense model."


def _is_lower(lead: Lead) -> str:
    """Return one lead in words, with N of the dense arm and the interval."""
    value, dense = lead.difference.value, lead.dense
    bpb = "" if lead.bpb is None else f" ({nats(abs(lead.bpb))} bits per byte)"
    N = f"N {format_quantity(dense.spec.N, 3)}"
    which = f"the dense arm of equal N and C ({N})"
    if lead.over == "best":
        which = f"the lowest of {lead.n_dense} dense arms ({dense.name}, {N})"
    elif lead.is_best and lead.n_dense > 1:
        which += f", the lowest of {lead.n_dense} dense arms"
    side = "below" if value >= 0 else "above"
    return f"is {nats(abs(value))} nats/token{bpb} {side} {which}{_with_interval(lead)}{_equivalent(lead)}"


def _with_interval(lead: Lead) -> str:
    """Return the interval of a lead, with the sign in which the lead is stated."""
    if (between := _between(lead)) is None:
        return ""
    inside = ", which includes zero" if between[0] <= 0 <= between[1] else ""
    return f"; 95 % interval {nats(between[0])} to {nats(between[1])}{inside}"


def _between(lead: Lead) -> tuple[float, float] | None:
    """Return the interval of the absolute difference: of the lead, or of the deficit where MoE is higher."""
    if lead.ends is None:
        return None
    low, high = lead.ends
    return (low, high) if lead.difference.value >= 0 else (-high, -low)


def _intervals(first: Lead) -> str:
    if first.ends is None:
        return "There is one seed (n = 1), so leads have no interval."
    how = "pair dense and MoE by seed" if first.difference.blocked else "take dense and MoE as independent (Welch)"
    chosen = " and are widened for the choice among arms" if first.tried > 1 else ""
    return f"The intervals of leads {how}{chosen}; n = {counted(first.n, 'seed')}."


def _equivalent(lead: Lead) -> str:
    """Return whether dense and MoE are equivalent within the margin; empty where one is lower, or without a test."""
    if lead.equivalence is None or lead.margin is None or lead.verdict in ("MoE lower", "dense lower"):
        return ""
    shown = "equivalent" if lead.verdict == "equivalent" else "not shown to be equivalent"
    return f"; {shown} within the margin of {lead.margin:.2g} (TOST p = {lead.equivalence:.2g})"


def lead_in_brief(leads: tuple[Lead, ...]) -> str:
    """Return the leads of one series among others in a few words."""
    return f"{leads[0].moe.name} is {' and '.join(f'{_distance(lead)} {_rival(lead)}' for lead in leads)}"


def _rival(lead: Lead) -> str:
    if lead.over == "best":
        return "the lowest dense arm"
    return "the dense arm of equal N" + (" (the lowest)" if lead.is_best and lead.n_dense > 1 else "")


def _distance(lead: Lead) -> str:
    value, between = lead.difference.value, _between(lead)
    ends = "" if between is None else f" ({nats(between[0])} to {nats(between[1])})"
    return f"{nats(abs(value))}{ends} {'below' if value >= 0 else 'above'}"
