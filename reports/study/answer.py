"""The answer of a study: one sentence first, then the numbers behind it as a list."""

from collections.abc import Iterator
from dataclasses import dataclass

from planners.records.quantity import format_quantity
from reports.page.number_text import flops, listed
from reports.page.page import Step
from reports.study.equal_time import equal_time_sentence
from reports.study.evidence import Evidence
from reports.study.evidence.arms import Series, heading
from reports.study.evidence.contrasts import Lead, all_leads
from reports.study.lead import lead_in_brief, lead_points, no_lead
from reports.study.movement import moves
from reports.study.next_steps import steps
from reports.study.optimum import in_brief, optimum_details, optimum_sentence, series_points


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the study says."""

    sentence: str
    """Where the loss is lowest, or why no optimum is claimed."""
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
        return " ".join([self.sentence, *self.more, *self.points])


def answer(evidence: Evidence) -> Answer:
    """Return the answer of a study to its question."""
    leads, several = all_leads(evidence), len(evidence.series) > 1
    return Answer(
        sentence=optimum_sentence(evidence),
        more=tuple(_before_points(evidence, leads)) if several else (),
        points=tuple(_points_of_several(evidence, leads) if several else _points_of_one(evidence, leads)),
        details=tuple(optimum_details(evidence)),
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
