"""Writing a report: everything that a person reads of a study, into one folder, the same bytes for the same records."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.record import collect
from planners.files import read_json, write_with
from planners.records import to_json
from planners.study import Study
from reports.answer import Answer, answer
from reports.checks import Check, run_checks
from reports.evidence import Evidence, Fitted, read_evidence
from reports.page import Picture, make_page, to_html, to_markdown
from reports.table import Table
from reports.tables import make_tables

SUMMARY = "summary.json"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was written."""

    answer: str
    """In one paragraph: what is missing, where the loss is lowest or why no optimum is claimed, the lead over dense."""
    checks: tuple[Check, ...]
    """What could make it wrong, each with its verdict (ok or warn) and the numbers."""
    complete: bool
    """Whether every planned run is done."""
    gaps: tuple[str, ...]
    """The runs that are not, by name, with the reason."""
    folder: Path
    """Where the files are."""
    files: tuple[str, ...]
    """The files, relative to the folder; report.html first."""


def write_report(study: Study, out: Path | None = None) -> Report:
    """Write the report of `study` to `out` (default: its report folder), and `runs.csv` anew.

    A study with missing, failed or diverged runs is reported with `complete` False. The same records give the
    same bytes. Raises UsageError where there is no study, where no run has a record, and for a corrupt file.
    """
    folder = Path(out) if out is not None else study.report
    evidence = read_evidence(study)
    collect(study)
    said, checks, tables = answer(evidence), run_checks(evidence), make_tables(evidence)
    files: dict[str, bytes] = {}
    pictures = _draw(evidence, files)
    page = make_page(evidence, said, checks, pictures, tables)
    files = {"report.html": to_html(page).encode(), "report.md": to_markdown(page).encode(), **files}
    for name, table in tables.items():
        files |= {f"tables/{name}.csv": table.csv().encode(), f"tables/{name}.md": table.markdown().encode()}
    report = Report(
        answer=" ".join([*page.state, said.text]),
        checks=checks,
        complete=not page.gaps,
        gaps=page.gaps,
        folder=folder,
        files=(*files, SUMMARY),
    )
    files[SUMMARY] = _json(_summary(evidence, said, report, tables))
    _write(folder, files)
    return report


def _draw(evidence: Evidence, files: dict[str, bytes]) -> dict[str, Picture]:
    """Draw every figure into `files` and return them as the page shows them."""
    from reports.figures import figures_of
    from reports.style import inline, render

    pictures = {}
    for name, figure in ((name, figure) for name, figure in figures_of("study").items() if figure.has_data(evidence)):
        drawn = render(figure, evidence)
        files |= {f"figures/{name}.{extension}": content for extension, content in drawn.items()}
        pictures[name] = Picture(
            name=name, title=figure.title, svg=inline(drawn["svg"], name), caption=figure.caption(evidence),
            alt=figure.alt(evidence), formats=tuple(drawn),
        )  # fmt: skip
    return pictures


def _summary(evidence: Evidence, said: Answer, report: Report, tables: dict[str, Table]) -> dict[str, Any]:
    """Return the key numbers for machines."""
    done = sum(1 for run in evidence.runs if run.done)
    return {
        "study": evidence.question.study,
        "answer": report.answer,
        "complete": report.complete,
        "source": evidence.source,
        "runs": {"planned": len(evidence.runs), "done": done, "gaps": list(report.gaps)},
        "fits": [_fit(fitted) for fitted in evidence.answering],
        "lead": list(_leads(said)),
        "loss": {arm.label: arm.mean("loss") for arm in evidence.arms},
        "checks": to_json(report.checks),
        "next": to_json(said.steps),
        "tables": {name: len(table.rows) for name, table in tables.items()},
        "files": list(report.files),
    }


def _fit(fitted: Fitted) -> dict[str, Any]:
    names = ("law", "n", "dof", "status", "optimum")
    return {"name": fitted.name, **{name: to_json(getattr(fitted.result, name)) for name in names}}


def _leads(said: Answer) -> Iterator[dict[str, Any]]:
    for lead in said.leads:
        interval = [None, None] if lead.half is None else [lead.nats - lead.half, lead.nats + lead.half]
        yield {
            "C": lead.C, "moe": lead.moe.label, "dense": lead.dense.label, "tried": lead.tried, "n": lead.n,
            "nats": lead.nats, "lo": interval[0], "hi": interval[1], "bpb": lead.bpb,
        }  # fmt: skip


def _json(data: dict[str, Any]) -> bytes:
    return (json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Write the files, the summary last, and remove those of an earlier report that this one no longer has."""
    for name in _earlier(folder) - set(files):
        (folder / name).unlink(missing_ok=True)
    for name, content in files.items():
        path = folder / name
        if not (path.is_file() and path.read_bytes() == content):
            write_with(path, lambda file, content=content: file.write(content))  # type: ignore[misc]


def _earlier(folder: Path) -> set[str]:
    """Return the figures and tables that the summary in `folder` lists."""
    if not (folder / SUMMARY).is_file():
        return set()
    listed = read_json(folder / SUMMARY).get("files", [])
    return {name for name in listed if Path(name).parent.as_posix() in ("figures", "tables")}
