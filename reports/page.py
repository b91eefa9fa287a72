"""The page: what a report says, in the order in which it is read, as HTML in one file and as Markdown."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.answer import Answer, question_sentence
from reports.checks import Check, gaps
from reports.evidence import Evidence
from reports.numerals import counted, sentence
from reports.table import Table, plain

if TYPE_CHECKING:
    from fits.result import FitResult

ORDER = (
    "figure activation", "checks", "table ledger", "table training", "figure training", "table results", "table runs",
    "table routing", "table cost", "table fit", "table curves", "table crossings", "table refused", "notes",
    "table environment", "commands",
)  # fmt: skip
"""Blocks in reading order; figures and tables that are not named here come before the environment."""

LAST = 2
"""Blocks of ORDER that stay at the end."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure as the page shows it."""

    name: str
    """Name of its files."""
    title: str
    """Heading."""
    svg: str
    """Drawing, ready for HTML."""
    caption: str
    """Below it."""
    alt: str
    """For those who cannot see it."""
    formats: tuple[str, ...]
    """Extensions of its files."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Everything that a page shows; both templates read it and nothing else."""

    study: str
    """Name of the study: the title."""
    state: tuple[str, ...]
    """What a reader must know before the answer: runs that are not done, simulated numbers."""
    question: str
    """The question in words."""
    answer: Answer
    """The answer."""
    checks: tuple[Check, ...]
    """What could make it wrong."""
    pictures: dict[str, Picture]
    """Figures by name."""
    tables: dict[str, Table]
    """Tables by name."""
    notes: tuple[str, ...]
    """What plan and fit say of themselves."""
    commands: tuple[str, ...]
    """How to make all of it again."""
    gaps: tuple[str, ...]
    """Runs that are not done, by name, with the reason."""
    footer: str
    """Source, convention, n."""

    @property
    def blocks(self) -> list[tuple[str, str]]:
        """Kind and name of each block that has something to show, in reading order."""
        have = [f"figure {name}" for name in self.pictures] + [f"table {name}" for name in self.tables]
        late = [block for block in have if block not in ORDER]
        order = [*ORDER[:-LAST], *late, *ORDER[-LAST:]]
        shown = [block for block in order if block in have or block in ("checks", "notes", "commands")]
        return [(kind, name) for kind, _, name in (block.partition(" ") for block in shown)]


def make_page(
    evidence: Evidence,
    answer: Answer,
    checks: tuple[Check, ...],
    pictures: dict[str, Picture],
    tables: dict[str, Table],
) -> Page:
    """Return the page of `evidence`."""
    done = sum(1 for run in evidence.runs if run.done)
    unfinished = tuple(gaps(evidence))
    state = []
    if unfinished:
        state.append(f"Partial: {done} of {counted(len(evidence.runs), 'planned run')} done.")
    if evidence.source == "simulated":
        state.append("Simulated: these losses were drawn from a law, not measured.")
    fit_notes = [f"{fit.name}: {note}" for fit in evidence.fits for note in _notes(fit.result)]
    convention = f"FLOPs under the {evidence.question.flops_convention} convention"
    footer = f"{counted(done, 'run')}, {evidence.source}; {convention}; losses in nats per token."
    return Page(
        study=evidence.question.study, state=tuple(state), question=question_sentence(evidence), answer=answer,
        checks=checks, pictures=pictures, tables=tables, notes=(*evidence.notes, *fit_notes),
        commands=tuple(_commands(evidence)), gaps=unfinished, footer=footer,
    )  # fmt: skip


def _notes(fit: "FitResult") -> list[str]:
    """Return what a fit says of itself, one sentence each."""
    dropped = [f"row {row.row} left out: {row.reason}" for row in fit.dropped]
    return [sentence(text) for text in ([fit.reason] if fit.reason else []) + list(fit.notes) + dropped]


def _commands(evidence: Evidence) -> list[str]:
    """Return the commands that make the study again; that of a whole study is one."""
    folder, laws = evidence.command_folder, ",".join(dict.fromkeys(fit.result.law for fit in evidence.fits))
    asked = f"{evidence.command} -o {folder}" if evidence.command else None
    if asked and asked.startswith("python -m scaling.study "):
        return [asked]
    rest = [
        f"python -m scaling.sweep {folder} --go",
        f"python -m scaling.fit {folder}" + (f" --law {laws}" if laws else ""),
        f"python -m scaling.report {folder}",
    ]
    return [asked, *rest] if asked else rest


def to_html(page: Page) -> str:
    """Return the page as one HTML file that needs nothing beside it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("reports", ".")
    environment = Environment(
        loader=loader, autoescape=True, trim_blocks=True, undefined=StrictUndefined, finalize=_unbroken
    )
    return environment.get_template("page.html.jinja").render(page=page)


def _unbroken(value: object) -> object:
    """Keep a number and its percent sign on one line; finished HTML is left alone."""
    return re.sub(r"(\d) %", "\\1\u00a0%", value) if type(value) is str else value


def to_markdown(page: Page) -> str:
    """Return the page as Markdown, with its figures beside it."""
    parts = [f"# {plain(page.study)}", *(f"> **{plain(text)}**" for text in page.state)]
    if page.gaps:
        parts.append(_bullets(page.gaps))
    parts += [plain(page.question), f"**{plain(page.answer.optimum)}**", plain(page.answer.lead)]
    if page.answer.steps:
        parts += ["Next:", "\n".join(_step(step.why, step.command) for step in page.answer.steps)]
    parts += [_block(page, kind, name) for kind, name in page.blocks]
    return "\n\n".join(part for part in [*parts, plain(page.footer)] if part) + "\n"


def _step(why: str, command: str | None) -> str:
    return f"- {plain(why)}" + (f"\n\n      {command}\n" if command else "")


def _bullets(lines: tuple[str, ...]) -> str:
    return "\n".join(f"- {plain(line)}" for line in lines)


def _block(page: Page, kind: str, name: str) -> str:
    """Return one block of the page as Markdown."""
    if kind == "checks":
        lines = [f"- **{check.verdict}** {plain(check.name)}: {plain(check.evidence)}" for check in page.checks]
        return "## Checks\n\n" + "\n".join(lines)
    if kind == "notes":
        return f"## Notes\n\n{_bullets(page.notes)}" if page.notes else ""
    if kind == "commands":
        return "## How to make it again\n\n" + "\n".join(f"    {command}" for command in page.commands)
    if kind == "figure":
        picture = page.pictures[name]
        return f"## {picture.title}\n\n![{plain(picture.alt)}](figures/{name}.svg)\n\n{plain(picture.caption)}"
    table = page.tables[name]
    return f"## {table.title}\n\n{table.markdown()}\n{plain(table.note)}"
