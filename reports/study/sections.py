"""The page of a study: its parts in the order in which they are read."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from planners.records.check import Check
from reports.page.number_text import counted, listed, sentence
from reports.page.page import Page, Section
from reports.page.picture import Picture
from reports.page.table import Table
from reports.study.evidence import Evidence
from reports.study.movement import common, in_equal_time, movement, moves, reuse_sentences
from reports.study.study_checks import gaps, lacks
from reports.study.verdict import Answer, question_sentence

if TYPE_CHECKING:
    from fits.result import FitResult

Thing = TypeVar("Thing")

FIRST = "activation"
"""The figure beside the answer."""
SECTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Ledger of equality": (("ledger",), ("ledger", "training", "refused")),
    "Loss curves": (("training",), ()),
    "Results": ((), ("results", "runs")),
    "Optimum": (("curves",), ("fit", "curves")),
    "r_a* over N and C": (("optimum", "surface"), ("constancy",)),
    "MoE against dense": (("crossing",), ("contrasts", "crossings")),
    "Repeated data": (("reuse",), ("reuse", "reuse-cost")),
    "Equal device-time": (("devicetime",), ("time",)),
    "Routing health": (("routing",), ("routing",)),
    "Router settings": (("router_grid",), ("router_grid", "small_study")),
    "Learning rate and batch": ((), ("tuned", "tuning")),
    "Residuals": (("residuals",), ()),
    "Comparison of laws": (("comparison",), ("comparison",)),
    "Cost": (("cost",), ("cost",)),
    "Environment": ((), ("environment",)),
}
"""Heading -> (figures, tables) by name, in reading order."""


def make_page(
    evidence: Evidence,
    answer: Answer,
    checks: tuple[Check, ...],
    pictures: dict[str, Picture],
    tables: dict[str, Table],
) -> Page:
    """Return the page of `evidence`."""
    done = sum(1 for run in evidence.runs if run.done)
    convention = f"FLOPs under the {evidence.question.flops_convention} convention"
    fit_notes = [f"{fit.name}: {note}" for fit in evidence.fits for note in _notes(fit)]
    return Page(
        kind="Activation-rate study",
        title=evidence.question.study,
        question=question_sentence(evidence),
        answer=answer.optimum,
        more=(answer.lead,),
        points=answer.points,
        state=tuple(_state(evidence, done)),
        gaps=tuple(gaps(evidence)),
        first=pictures.get(FIRST),
        verdict=verdict(checks),
        sections=(
            Section(title="Next", steps=answer.steps),
            Section(title="Checks", checks=checks),
            *_sections(_said(evidence, answer), pictures, tables),
            Section(title="Notes", items=(*evidence.notes, *fit_notes)),
            Section(title="How to make it again", commands=tuple(_commands(evidence))),
        ),
        footer=f"{counted(done, 'run')}, {evidence.source}; {convention}; losses in nats per token.",
    )


def verdict(checks: tuple[Check, ...]) -> str:
    """Return what the checks say in one sentence."""
    fired = [check.name for check in checks if check.verdict != "ok"]
    if not fired:
        return f"All {counted(len(checks), 'check')} passed."
    return f"{len(fired)} of {counted(len(checks), 'check')} fired: {listed(fired)}."


def _sections(
    said: dict[str, tuple[str, ...]], pictures: dict[str, Picture], tables: dict[str, Table]
) -> list[Section]:
    """Return what was said, drawn and listed under its heading; what no heading names comes at the end."""
    figures, lists = ({name for names in column for name in names} for column in zip(*SECTIONS.values(), strict=True))
    rest = [name for name in pictures if name not in figures | {FIRST}], [name for name in tables if name not in lists]
    return [
        Section(title=title, text=said.get(title, ()), pictures=_some(pictures, drawn), tables=_some(tables, listed))
        for title, (drawn, listed) in {**SECTIONS, "Further": rest}.items()
    ]


def _said(evidence: Evidence, answer: Answer) -> dict[str, tuple[str, ...]]:
    """Return the sentences of each section, by its heading."""
    constant, in_time = evidence.constancy, in_equal_time(evidence)
    moved = (moves(evidence), movement(constant) if constant else None, common(constant) if constant else None)
    return {
        "Optimum": answer.details,
        "r_a* over N and C": tuple(text for text in moved if text),
        "Repeated data": reuse_sentences(evidence),
        "Equal device-time": (f"{in_time}.",) if in_time else (),
    }


def _some(things: dict[str, Thing], names: Sequence[str]) -> tuple[Thing, ...]:
    return tuple(things[name] for name in names if name in things)


def _state(evidence: Evidence, done: int) -> list[str]:
    """Return what must be known before the answer."""
    said = []
    if done < len(evidence.runs):
        said.append(f"Partial: {done} of {counted(len(evidence.runs), 'planned run')} done.")
    said += lacks(evidence)
    if evidence.source == "simulated":
        said.append("Simulated: these losses were drawn from a law, not measured.")
    return said


def _notes(fit: "FitResult") -> list[str]:
    """Return what a fit says of itself, one sentence each."""
    dropped = [f"row {row.row} left out: {row.reason}" for row in fit.dropped]
    return [sentence(text) for text in ([fit.reason] if fit.reason else []) + list(fit.notes) + dropped]


def _commands(evidence: Evidence) -> list[str]:
    """Return the commands that make the study again; that of a whole study is one."""
    folder, laws = evidence.command_folder, ",".join(dict.fromkeys(fit.law for fit in evidence.fits))
    asked = f"{evidence.command} -o {folder}" if evidence.command else None
    if asked and evidence.verb == "study":
        return [asked]
    rest = [
        f"python -m scaling.sweep {folder} --go",
        f"python -m scaling.fit {folder}" + (f" --law {laws}" if laws else ""),
        f"python -m scaling.report {folder}",
    ]
    return [asked, *rest] if asked else rest
