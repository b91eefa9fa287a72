"""The answer of a study that tests claims: how many hold, the numbers of each, and what would decide more."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from fits.compare.verdict import FAILS, GIVEN, HOLDS, HOLDS_LESS, NOT_RUN, OPEN, UNTESTED, Effect, Verdict
from planners.claims import Contrast, Term
from reports.page.number_text import counted, general, listed, signed
from reports.page.page import Step
from reports.study.evidence import Evidence

SAID = {
    HOLDS: "{n} hold",
    HOLDS_LESS: "{n} hold by less than the margin",
    FAILS: "{n} do not hold",
    OPEN: "{n} cannot be told",
    NOT_RUN: "{n} were not run",
    GIVEN: "{n} follow by construction",
    UNTESTED: "{n} are not tested here",
}
"""Word of a verdict -> what is said of the claims that have it."""
HOW_JUDGED = (
    "The sign of each effect is such that the claimed side is positive. A claim holds where the effect is above 0, and "
    "does not hold where it is below the margin; otherwise it cannot be told. Verdicts are adjusted for the number of "
    "tested claims by Holm's method, and 95 % intervals by Bonferroni's."
)


def claims_question(evidence: Evidence) -> str:
    """Return the question in words."""
    arms, settings = len(evidence.arms), len({arm.spec.series for arm in evidence.arms})
    return (
        f"Which of {counted(len(evidence.verdicts), 'claim')} about mixtures of experts hold for "
        f"{counted(arms, 'arm')} in {counted(settings, 'setting')}?"
    )


def claims_sentence(evidence: Evidence) -> str:
    """Return how many claims have each verdict."""
    counts = Counter(one.word for one in evidence.verdicts)
    said = [text.format(n=counts[word]) for word, text in SAID.items() if counts[word] or word in (HOLDS, FAILS, OPEN)]
    return f"Of {counted(len(evidence.verdicts), 'claim')} {', '.join(said)}."


def interval_text(effect: Effect, tried: int) -> str:
    """Return the interval of an effect in words, one end where the runs leave the other open."""
    low, high = effect.ends(tried)
    bound = f" ({counted(effect.unreached, 'run')} never got there)" if effect.bound else ""
    if low is None and high is None:
        return f"no interval{bound}"
    if low is None or high is None:
        return f"{'at least ' if high is None else 'at most '}{_number(low if high is None else high)}{bound}"
    return f"{_number(low)} to {_number(high)}"


def _number(value: float | None) -> str:
    return "unknown" if value is None else signed(3)(value)


def claims_steps(evidence: Evidence) -> Iterator[Step]:
    """Yield how many seeds the open claims need, with the command where one adds them."""
    needs = {one.claim.id: one.needs for one in evidence.verdicts if one.needs}
    if needs:
        said = listed((f"{name} {seeds}" for name, seeds in sorted(needs.items(), key=lambda pair: pair[1])), 30)
        fewest = min(needs.values())
        command = f"{evidence.command} --seeds {fewest} -o {evidence.command_folder}"
        why = f"More seeds narrow the open claims. Seeds for a half width of half the margin: {said}."
        yield Step(why=why, command=command if evidence.verb == "study" and evidence.command else None)


def not_run(evidence: Evidence) -> list[str]:
    """Return a sentence with the claims whose arms were planned but have no number to compare."""
    planned = {arm.name for arm in evidence.arms}
    ids = [one.claim.id for one in evidence.verdicts if one.word == NOT_RUN and planned.issuperset(one.claim.arms)]
    return [f"Not measured yet, so without a verdict: {listed(ids)}."] if ids else []


def claims_json(evidence: Evidence) -> list[dict[str, Any]]:
    """Return each claim with its verdict and numbers, for machines."""
    return [_json(one) for one in evidence.verdicts]


def _json(one: Verdict) -> dict[str, Any]:
    decides = one.effect.contrast if one.effect else one.claim.contrasts[0] if one.claim.contrasts else None
    numbers = _numbers(one.effect, decides, one.tried)
    shown = [{"what": each.contrast.what, **_numbers(each, each.contrast, one.tried)} for each in one.effects]
    claim = {"id": one.claim.id, "says": one.claim.says, "where": one.claim.where, "verdict": one.word}
    return {**claim, **numbers, "needs": one.needs, "missing": list(one.missing), "contrasts": shown}


def _numbers(effect: Effect | None, contrast: Contrast | None, tried: int) -> dict[str, Any]:
    low, high = effect.ends(tried) if effect else (None, None)
    return {
        "value": effect.value if effect else None,
        "lo": low,
        "hi": high,
        "n": effect.n if effect else None,
        "margin": contrast.margin if contrast else None,
        "matching": contrast.matching if contrast else None,
        "bound": effect.bound if effect else None,
        "unreached": effect.unreached if effect else None,
    }


def compared(contrast: Contrast) -> str:
    """Return the weighted arms and columns of a contrast.

    >>> from planners.claims.claim import less
    >>> compared(Contrast(terms=less("E8", "dense", "loss"), side=1))
    'E8 − dense in loss'
    """
    columns = list(dict.fromkeys(term.column for term in contrast.terms))
    said = " ".join(_weighted(term, len(columns) > 1) for term in contrast.terms).removeprefix("+ ")
    scale = {"log": "ln ", "spread": "ln SD of ", "share": "share of runs with "}.get(contrast.scale, "")
    against = f", less {general(2)(contrast.against)}" if contrast.against else ""
    return (f"{said} in {scale}{columns[0]}" if len(columns) == 1 else f"{scale}{said}") + against


def _weighted(term: Term, with_column: bool) -> str:
    size = "" if abs(term.weight) == 1 else f"{general(2)(abs(term.weight))} "
    return f"{'−' if term.weight < 0 else '+'} {size}{term.arm}{f' {term.column}' if with_column else ''}"
