"""Writes the report of a study into one folder. The same records give the same bytes."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.record import collect
from planners.records.check import Check
from planners.records.json import to_json
from planners.study import Study
from reports.page.figure import pictures
from reports.page.page import Page
from reports.page.write_page import Report, write_page
from reports.study.answer import Answer, answer
from reports.study.checks import lacks, run_checks
from reports.study.evidence import Evidence, read_evidence
from reports.study.page import make_page
from reports.study.tables import make_tables

if TYPE_CHECKING:
    from fits.result import FitResult


def write_report(study: Study, out: Path | None = None) -> Report:
    """Write the report of `study` to `out` (default: its report folder), and `runs.csv` again.

    A study with missing, failed or diverged runs, or with one arm, is reported with `complete` False. Raises UsageError
    if the study does not exist, if none of its runs has a record, and for a corrupt file.
    """
    from reports.study.figures import FIGURES

    folder = Path(out) if out is not None else study.report
    evidence = read_evidence(study)
    collect(study)
    said, checks, tables = answer(evidence), run_checks(evidence), make_tables(evidence)
    page = make_page(evidence, said, checks, pictures(FIGURES, evidence), tables)
    text = " ".join([*page.state, said.text])
    summary = {"study": evidence.question.study, "answer": text, **_summary(evidence, said, checks, page)}
    files = write_page(folder, page, summary)
    missing = (*page.gaps, *lacks(evidence))
    return Report(answer=text, checks=checks, complete=not missing, gaps=missing, folder=folder, files=files)


def _summary(evidence: Evidence, said: Answer, checks: tuple[Check, ...], page: Page) -> dict[str, Any]:
    """Return the key numbers for machines."""
    done = sum(1 for run in evidence.runs if run.done)
    return {
        "complete": not (page.gaps or lacks(evidence)),
        "source": evidence.source,
        "runs": {"planned": len(evidence.runs), "done": done, "gaps": list(page.gaps)},
        "fits": [_fit(fit) for fit in evidence.answering],
        "lead": list(_leads(said)),
        "loss": {arm.label: arm.mean("loss") for arm in evidence.arms},
        "checks": to_json(checks),
        "next": to_json(said.steps),
        "tables": {name: len(table.rows) for name, table in page.tables.items()},
    }


def _fit(fit: "FitResult") -> dict[str, Any]:
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
