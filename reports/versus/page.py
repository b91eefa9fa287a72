"""The page of two studies side by side: what differs between them, arm by arm, in the optimum and in cost."""

from pathlib import Path
from typing import Any

from fits.compare.by_seed import SeedDifference
from planners.records.errors import UsageError
from planners.study import Study
from reports.page.figure import Picture, pictures
from reports.page.number_text import counted, listed, percent, signed
from reports.page.page import Page, Section, arranged
from reports.page.table import filled
from reports.page.write_page import Report, write_page
from reports.study.evidence import Evidence, read_evidence
from reports.study.evidence.arms import Arm
from reports.study.study_checks import gaps
from reports.versus.compare import UNITS, Versus, against
from reports.versus.figures import FIGURES
from reports.versus.optimum import MatchedSeries, finite, matched_series, optimum_sentence
from reports.versus.tables import TABLES, verdict

FIRST = "versus_arms"
"""The figure next to the answer."""
SECTIONS = ("Arm by arm", "Where the loss is lowest", "What differs", "Cost")
"""Headings in reading order."""


def write_versus(study_a: Study, study_b: Study, folder: Path) -> Report:
    """Write the page of two studies side by side to `folder`.

    Raises UsageError where both are the same study, where one does not exist or has no record, and for a corrupt file.
    """
    if study_a.folder.resolve() == study_b.folder.resolve():
        raise UsageError(f"{study_a.folder} is both studies; name another one to compare it with")
    found = against(read_evidence(study_a), read_evidence(study_b))
    page = page_of(found, pictures(FIGURES, found))
    text = " ".join([*page.state, page.answer, *page.more])
    files = write_page(folder, page, {"answer": text, **summary(found)})
    return Report(answer=text, checks=(), complete=not page.gaps, gaps=page.gaps, folder=folder, files=files)


def page_of(found: Versus, drawn: dict[str, Picture]) -> Page:
    """Return the page of two studies."""
    a, b = names(found)
    unfinished = tuple(f"{name}: {gap}" for name, each in (("A", found.a), ("B", found.b)) for gap in gaps(each))
    lacking = [f"only in A: {_described(arm)}" for arm in found.only_a]
    lacking += [f"only in B: {_described(arm)}" for arm in found.only_b]
    others = {name: picture for name, picture in drawn.items() if name != FIRST}
    texts = {"What differs": _about_fields(found), "Cost": _about_cost(found)}
    return Page(
        kind="Two studies side by side",
        title=f"{a} against {b}",
        question=f"How do the losses of {b} (B) compare with those of {a} (A), and what differs between the two?",
        answer=answer(found),
        more=(found.why, optimum_sentence(found)),
        state=tuple(_state(found, len(unfinished))),
        gaps=unfinished,
        first=drawn.get(FIRST),
        sections=(
            *arranged(SECTIONS, others, filled(TABLES, found), texts),
            Section(title="Arms without a counterpart", items=tuple(lacking)),
            Section(title="How to make it again", commands=(_command(found),)),
        ),
        footer=f"A: {a}, {counted(_done(found.a), 'run')}; B: {b}, {counted(_done(found.b), 'run')}; {found.source}.",
    )


def names(found: Versus) -> tuple[str, str]:
    """Return the names of the two studies; their folders where both have one name."""
    a, b = found.a.question.study, found.b.question.study
    return (a, b) if a != b else (found.a.folder, found.b.folder)


def answer(found: Versus) -> str:
    """Return by how much the matched arms of B and A differ."""
    if not found.matched:
        return "No arm of one study has a counterpart in the other, so nothing is compared."
    if found.unit is None or not found.compared:
        why = "the losses cannot be compared" if found.unit is None else "no matched arm has finished runs in both"
        return f"{counted(len(found.matched), 'arm')} match, but {why}."
    if not found.other_runs:
        return f"The {counted(len(found.compared), 'matched arm')} are the same runs in both studies."
    overall, unit = found.overall, UNITS[found.unit]
    if overall is None:
        pair = found.other_runs[0]
        assert pair.difference is not None
        return f"{pair.name}: the loss of B is {_distance(pair.difference, unit)}."
    clear = [pair for pair in found.compared if verdict(pair, found) in ("B lower", "B higher")]
    parts = f"{len(clear)} of them differ" if clear else "none of them differs"
    return (
        f"Over {counted(len(found.other_runs), 'matched arm')} the loss of B is on average {_distance(overall, unit)}; "
        f"{parts} by more than an interval that is widened for their number."
    )


def _distance(difference: SeedDifference, unit: str) -> str:
    """Return a difference with its interval."""
    side = "below" if difference.value < 0 else "above"
    half, write = difference.half(), signed(4)
    if half is None:
        return f"{abs(difference.value):.4f} {unit} {side} A ({counted(difference.n, 'run')}, no interval)"
    low, high = difference.value - half, difference.value + half
    return (
        f"{abs(difference.value):.4f} {unit} {side} A (95 % interval {write(low)} to {write(high)}, "
        f"{difference.how}, n = {difference.n})"
    )


def _about_fields(found: Versus) -> tuple[str, ...]:
    causes = [each.name for each in found.fields if each.where == "runs"]
    if not found.matched:
        return ()
    if not causes:
        return ("Matched arms have the same settings.",)
    if len(causes) == 1:
        return (f"Matched arms differ in {causes[0]} only.",)
    text = f"Matched arms differ in {len(causes)} fields: {listed(causes, 8)}."
    return (f"{text} A difference in loss cannot be attributed to one of them.",)


def _about_cost(found: Versus) -> tuple[str, ...]:
    devices = [sorted({r.environment.device for r in each.records}) for each in (found.a, found.b)]
    if devices[0] == devices[1]:
        return ()
    return (f"A ran on {listed(devices[0])}, B on {listed(devices[1])}: times and speeds also compare the devices.",)


def summary(found: Versus) -> dict[str, Any]:
    """Return the key numbers for machines."""
    a, b = names(found)
    arms = {p.name: {**_numbers(p.difference), "verdict": verdict(p, found)} for p in found.compared if p.difference}
    return {
        "a": a,
        "b": b,
        "unit": found.unit,
        "overall": _numbers(found.overall) if found.overall else None,
        "arms": arms,
        "only_a": [arm.label for arm in found.only_a],
        "only_b": [arm.label for arm in found.only_b],
        "optimum": {pair.a.heading: _ratio_numbers(pair) for pair in matched_series(found)},
        "differs": [each.name for each in found.fields],
    }


def _numbers(difference: SeedDifference) -> dict[str, Any]:
    low, high = difference.ends
    return {"value": difference.value, "lo": low, "hi": high, "how": difference.how, "n": difference.n}


def _ratio_numbers(pair: MatchedSeries) -> dict[str, Any]:
    value, low, high = pair.ratio or (None, None, None)
    ends = [None if end is None else finite(end) for end in (low, high)]
    return {"ratio": value, "lo": ends[0], "hi": ends[1], "verdict": pair.verdict}


def _state(found: Versus, missing: int) -> list[str]:
    said = [f"Partial: {counted(missing, 'planned run')} of the two studies not done."] if missing else []
    simulated = [name for name, each in (("A", found.a), ("B", found.b)) if each.source == "simulated"]
    if simulated:
        said.append(f"Simulated: the losses of {' and '.join(simulated)} were drawn from a law, not measured.")
    return said


def _described(arm: Arm) -> str:
    return f"{arm.label} (r_a {percent(arm.spec.r_a)}, {counted(len(arm.done), 'finished run')})"


def _command(found: Versus) -> str:
    return f"python -m scaling.report {found.a.command_folder} {found.b.command_folder}"


def _done(evidence: Evidence) -> int:
    return sum(1 for run in evidence.runs if run.done)
