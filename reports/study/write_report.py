"""The report of a study: its page in reading order, written to one folder. The same records give the same bytes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fits.result import FitResult
from jobs.record import collect
from planners.records.check import Check
from planners.records.json import to_json
from planners.study import Study
from reports.page.figure import Picture, pictures
from reports.page.number_text import counted, listed, sentence
from reports.page.page import Page, Section, arranged
from reports.page.table import Table
from reports.page.write_page import Report, write_page
from reports.study.answer import Answer, answer, question_sentence
from reports.study.claims import claims_json
from reports.study.equal_time import HOW, equal_time_sentence
from reports.study.evidence import Evidence, read_evidence
from reports.study.figures import FIGURES
from reports.study.movement import movement
from reports.study.reuse import reuse_sentences
from reports.study.study_checks import gaps, lacks, run_checks
from reports.study.tables import make_tables


def write_report(study: Study, out: Path | None = None) -> Report:
    """Write the report of `study` to `out` (default: its report folder), and `runs.csv` again.

    A study with missing, failed or diverged runs, or with one arm, is reported with `complete` False. Raises UsageError
    if the study does not exist, if none of its runs has a record, and for a corrupt file.
    """
    folder = Path(out) if out is not None else study.report
    evidence = read_evidence(study)
    collect(study)
    said, checks, tables = answer(evidence), run_checks(evidence), make_tables(evidence)
    page = make_page(evidence, said, checks, pictures(FIGURES, evidence), tables)
    text = " ".join([*page.state, said.text])
    summary = {"study": evidence.question.study, "answer": text, **_summary(evidence, said, checks, page)}
    files = write_page(folder, page, summary)
    missing = (*page.gaps, *lacks(evidence))
    return Report(
        answer=text, checks=checks, complete=not missing, gaps=missing, claims=claims_json(evidence), folder=folder,
        files=files,
    )  # fmt: skip


def _summary(evidence: Evidence, said: Answer, checks: tuple[Check, ...], page: Page) -> dict[str, Any]:
    """Return the key numbers for machines."""
    done = sum(1 for run in evidence.runs if run.done)
    return {
        "complete": not (page.gaps or lacks(evidence)),
        "source": evidence.source,
        "runs": {"planned": len(evidence.runs), "done": done, "gaps": list(page.gaps)},
        "fits": [_fit(fit) for fit in evidence.answering],
        "lead": list(_leads(said)),
        **({"claims": claims_json(evidence)} if evidence.verdicts else {}),
        "loss": {arm.label: arm.mean("loss") for arm in evidence.arms},
        "checks": to_json(checks),
        "next": to_json(said.steps),
        "tables": {name: len(table.rows) for name, table in page.tables.items()},
    }


def _fit(fit: FitResult) -> dict[str, Any]:
    names = ("law", "n", "dof", "status", "optimum")
    return {"name": fit.name, **{name: to_json(getattr(fit, name)) for name in names}}


def _leads(said: Answer) -> Iterator[dict[str, Any]]:
    for lead in said.leads:
        low, high = lead.ends or (None, None)
        arms = {"moe": lead.moe.label, "dense": lead.dense.label, "dense_N": lead.dense.spec.N}
        numbers = {"nats": lead.difference.value, "lo": low, "hi": high, "bpb": lead.bpb}
        errors = {"se": lead.difference.se, "plain_se": lead.difference.plain_se}
        series = {"series": str(lead.series.key), "C": lead.series.C, "over": lead.over}
        yield {**series, **arms, "tried": lead.tried, "n": lead.n, **numbers, **errors}


FIRST = ("claims", "activation")
"""The figures next to the answer; a study has one of them."""
SECTIONS = (
    "Claims",
    "Equality of the arms",
    "Loss curves",
    "Results",
    "Optimum",
    "r_a* over N and C",
    "MoE against dense",
    "Repeated data",
    "Equal device-time",
    "Routing health",
    "Router settings",
    "Learning rate and batch",
    "Residuals",
    "Comparison of laws",
    "Cost",
    "Environment",
)
"""Headings in reading order. Each figure and table names its own; a heading that is not listed comes at the end."""


def make_page(
    evidence: Evidence,
    answer: Answer,
    checks: tuple[Check, ...],
    pictures: Mapping[str, Picture],
    tables: Mapping[str, Table],
) -> Page:
    """Return the page of `evidence`."""
    done = sum(1 for run in evidence.runs if run.done)
    convention = f"FLOPs under the {evidence.question.flops_convention} convention"
    fit_notes = [f"{fit.name}: {note}" for fit in evidence.fits for note in _notes(fit)]
    others = {name: picture for name, picture in pictures.items() if name not in FIRST}
    return Page(
        kind="Study of claims" if evidence.verdicts else "Activation-rate study",
        title=evidence.question.study,
        question=question_sentence(evidence),
        answer=answer.glance,
        more=(answer.sentence, *answer.more),
        points=answer.points,
        state=tuple(_state(evidence, done)),
        gaps=tuple(gaps(evidence)),
        first=next((pictures[name] for name in FIRST if name in pictures), None),
        verdict=verdict(checks),
        sections=(
            Section(title="Next", steps=answer.steps),
            Section(title="Checks", checks=checks),
            *arranged(SECTIONS, others, tables, _texts(evidence, answer)),
            Section(title="Notes", items=(*evidence.notes, *fit_notes)),
            Section(title="How to make it again", commands=tuple(_commands(evidence))),
        ),
        footer=f"{counted(done, 'run')}, {evidence.source}; {convention}; losses in nats per token.",
    )


def verdict(checks: tuple[Check, ...]) -> str:
    """Return the result of the checks in one sentence."""
    warned = [check.name for check in checks if check.verdict != "ok"]
    if not warned:
        return f"All {counted(len(checks), 'check')} passed."
    return f"{len(warned)} of {counted(len(checks), 'check')} gave a warning: {listed(warned)}."


def _texts(evidence: Evidence, answer: Answer) -> dict[str, tuple[str, ...]]:
    """Return the paragraphs of each section, by its heading."""
    in_time = equal_time_sentence(evidence)
    return {
        "Optimum": answer.details,
        "MoE against dense": (f"No compute multiplier: {why}.",) if (why := evidence.no_multiplier) else (),
        "r_a* over N and C": movement(evidence),
        "Repeated data": reuse_sentences(evidence),
        "Equal device-time": (in_time, HOW) if in_time else (),
    }


def _state(evidence: Evidence, done: int) -> list[str]:
    """Return what a reader must know before the answer."""
    said = []
    if done < len(evidence.runs):
        said.append(f"Partial: {done} of {counted(len(evidence.runs), 'planned run')} done.")
    said += lacks(evidence)
    if evidence.source == "simulated":
        said.append("Simulated: these losses were drawn from a law, not measured.")
    return said


def _notes(fit: FitResult) -> list[str]:
    """Return the notes of a fit, one sentence each."""
    dropped = [f"row {row.row} left out: {row.reason}" for row in fit.dropped]
    return [sentence(text) for text in ([fit.reason] if fit.reason else []) + list(fit.notes) + dropped]


def _commands(evidence: Evidence) -> list[str]:
    """Return the commands that make the study again."""
    folder, laws = evidence.command_folder, evidence.outdated or ",".join(dict.fromkeys(f.law for f in evidence.fits))
    asked = [f"{command} -o {folder}" for command in (evidence.command, *evidence.widened) if command]
    if evidence.command and evidence.verb == "study" and not evidence.widened:
        return asked
    return [
        *asked,
        f"python -m scaling.sweep {folder} --go",
        f"python -m scaling.fit {folder}" + (f" --law {laws}" if laws else ""),
        f"python -m scaling.report {folder}",
    ]
