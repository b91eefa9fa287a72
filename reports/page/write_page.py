"""Writes a report into one folder: a page, its figures and its tables. The same page gives the same bytes."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from planners.records.check import Check
from planners.records.errors import UsageError
from planners.records.files import read_json, write_with
from planners.records.notebook_repr import NotebookRepr
from reports.page.page import Page, to_html, to_markdown

SUMMARY = "summary.json"
KINDS = ("figures", "tables")


@dataclass(frozen=True, kw_only=True, repr=False)
class Report(NotebookRepr):
    """A report that has been written. `str()` of it is what the command prints."""

    answer: str
    """The answer in one paragraph, with what a reader must know before it."""
    checks: tuple[Check, ...]
    """Checks of what could make the answer wrong, each with its verdict (ok or warn) and the evidence."""
    complete: bool
    """Whether nothing is missing."""
    gaps: tuple[str, ...]
    """The runs that are not done, with the reason, and what else is missing, such as arms to compare."""
    claims: list[dict[str, Any]] = field(default_factory=list)
    """The claims that a study tests, each with its verdict and numbers; empty for other reports."""
    folder: Path
    """Folder of the files."""
    files: tuple[str, ...]
    """The files, relative to the folder; report.html first."""

    def __repr__(self) -> str:
        return f"<Report {self.folder}: {'complete' if self.complete else f'{len(self.gaps)} gaps'}>"

    def __str__(self) -> str:
        checks = [f"  {check.verdict:4}  {check.name}: {check.evidence}" for check in self.checks]
        return "\n".join(
            [self.answer, *map(_claim_line, self.claims), *checks, "", f"open: {self.folder / 'report.html'}"]
        )


def _claim_line(claim: dict[str, Any]) -> str:
    """Return a claim with its verdict, effect and interval as one line for a terminal."""
    numbers = [claim[name] for name in ("value", "lo", "hi")]
    value, low, high = ("open" if number is None else f"{number:+.3f}" for number in numbers)
    between = "no interval" if numbers[1:] == [None, None] else f"{low} to {high}"
    effect = "" if numbers[0] is None else f" (effect {value}, {between})"
    needs = f"; {claim['needs']} seeds give half the margin" if claim["needs"] else ""
    return f"  {claim['verdict']:14}  {claim['id']}: {claim['says']}{effect}{needs}"


def write_page(folder: Path, page: Page, summary: dict[str, Any]) -> tuple[str, ...]:
    """Write `page` and the numbers of `summary` to `folder`; return the files, relative to it, report.html first.

    The files are report.html, report.md, figures/NAME.svg, .pdf and .png, tables/NAME.csv, .md and .tex, and
    summary.json, which lists them. Each is written atomically. Figures and tables of an earlier report that this
    one no longer has are removed.
    """
    texts = {"report.html": to_html(page), "report.md": to_markdown(page)}
    for name, table in page.tables.items():
        forms = {"csv": table.csv(), "md": table.markdown(), "tex": table.latex()}
        texts |= {f"tables/{name}.{extension}": text for extension, text in forms.items()}
    files = {name: _bytes(text) for name, text in texts.items()}
    for name, picture in page.pictures.items():
        files |= {f"figures/{name}.{extension}": content for extension, content in picture.files.items()}
    names = (*files, SUMMARY)
    numbers = json.dumps({**summary, "files": names}, indent=1, ensure_ascii=False, allow_nan=False)
    files[SUMMARY] = _bytes(f"{numbers}\n")  # last, so that it never lists a file that is not there yet
    folder.mkdir(parents=True, exist_ok=True)
    for name in _earlier(folder) - set(names):
        (folder / name).unlink(missing_ok=True)
    for name, content in files.items():
        path = folder / name
        if not (path.is_file() and path.read_bytes() == content):
            write_with(path, lambda file, content=content: file.write(content))  # type: ignore[misc]
    return names


def _bytes(text: str) -> bytes:
    """Return `text` as UTF-8; half a surrogate pair, as in a file name of another encoding, becomes a question mark."""
    return text.encode(errors="replace")


def _earlier(folder: Path) -> set[str]:
    """Return the figures and tables that the summary in `folder` lists; an empty set where it cannot be read."""
    try:
        listed = read_json(folder / SUMMARY).get("files", [])
        return {name for name in listed if Path(name).parent.as_posix() in KINDS}
    except (UsageError, AttributeError, TypeError):
        return set()
