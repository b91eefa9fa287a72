"""A page: the content of any report in reading order, as one HTML file and as Markdown.

The report of a study, of a published paper and of two studies side by side are all a `Page`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from planners.records.check import Check
from reports.page.escape import closed, markdown as plain
from reports.page.figure import Picture
from reports.page.table import Table

FOLDED = 24
"""A table of more rows is folded on the page."""
Named = TypeVar("Named", Picture, Table)


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something to do next."""

    why: str
    """One sentence."""
    command: str | None = None
    """The command that does it, where there is one."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page with a heading. Its content is shown in the order of these fields."""

    title: str
    """Heading."""
    text: tuple[str, ...] = ()
    """Paragraphs."""
    steps: tuple[Step, ...] = ()
    """Things to do, as a list."""
    items: tuple[str, ...] = ()
    """Points of a list."""
    checks: tuple[Check, ...] = ()
    """Checks of what could make the answer wrong."""
    pictures: tuple[Picture, ...] = ()
    """Figures; a title equal to the heading is not repeated."""
    tables: tuple[Table, ...] = ()
    """Tables; a title equal to the heading is not repeated."""
    commands: tuple[str, ...] = ()
    """Commands, in their order."""

    def __bool__(self) -> bool:
        """Whether there is anything below the heading."""
        return any((self.text, self.steps, self.items, self.checks, self.pictures, self.tables, self.commands))


@dataclass(frozen=True, kw_only=True)
class Page:
    """Everything that a page shows; the HTML template and the Markdown read nothing else."""

    kind: str
    """What kind of report it is, a few words above the title."""
    title: str
    """Name of the study, or of what is reproduced."""
    question: str
    """The question in words."""
    answer: str
    """The answer in one sentence."""
    more: tuple[str, ...] = ()
    """Paragraphs below the answer, in the same frame."""
    points: tuple[str, ...] = ()
    """A list below these."""
    state: tuple[str, ...] = ()
    """What a reader must know before the answer, such as runs that are not done, or simulated numbers."""
    gaps: tuple[str, ...] = ()
    """What is missing, by name, with the reason."""
    first: Picture | None = None
    """The figure next to the answer."""
    verdict: str | None = None
    """Result of the checks in one sentence, below the answer."""
    sections: tuple[Section, ...] = ()
    """The parts in reading order; parts without content are left out."""
    footer: str
    """Source, convention, n."""

    @property
    def parts(self) -> list[Section]:
        """The sections that have content."""
        return [section for section in self.sections if section]

    @property
    def pictures(self) -> dict[str, Picture]:
        """Every figure of the page, by name."""
        parts = [[self.first] if self.first else [], *(section.pictures for section in self.sections)]
        return _by_name([picture for part in parts for picture in part])

    @property
    def tables(self) -> dict[str, Table]:
        """Every table of the page, by name."""
        return _by_name([table for section in self.sections for table in section.tables])


def _by_name(things: Sequence[Named]) -> dict[str, Named]:
    found = {thing.name: thing for thing in things}
    if len(found) < len(things):
        raise ValueError(f"two figures or tables share a name: {', '.join(thing.name for thing in things)}")
    return found


def arranged(
    headings: Sequence[str],
    pictures: Mapping[str, Picture],
    tables: Mapping[str, Table],
    text: Mapping[str, tuple[str, ...]],
) -> list[Section]:
    """Return a section for each of `headings`, with the text, figures and tables that belong to it.

    A figure or table names its own section. Sections that `headings` does not have come at the end.
    """
    own = [*(each.section for each in pictures.values()), *(each.section for each in tables.values())]
    return [
        Section(
            title=heading,
            text=text.get(heading, ()),
            pictures=tuple(each for each in pictures.values() if each.section == heading),
            tables=tuple(each for each in tables.values() if each.section == heading),
        )
        for heading in dict.fromkeys([*headings, *own])
    ]


def to_html(page: Page) -> str:
    """Return the page as one self-contained HTML file."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("reports.page", ".")
    environment = Environment(
        loader=loader, autoescape=True, trim_blocks=True, undefined=StrictUndefined, finalize=_unbroken
    )
    return environment.get_template("page.html.jinja").render(page=page, folded=FOLDED)


def _unbroken(value: object) -> object:
    """Keep a number and its percent sign on one line; leave finished HTML alone."""
    return closed(re.sub(r"(\d) %", "\\1\u00a0%", value)) if type(value) is str else value


def to_markdown(page: Page) -> str:
    """Return the page as Markdown that links to the files of its figures."""
    parts = [f"# {plain(page.title)}", *(f"> **{plain(text)}**" for text in page.state), _bullets(page.gaps)]
    parts += [plain(page.question), f"**{plain(page.answer)}**", *map(plain, page.more), _bullets(page.points)]
    parts += [_drawn(page.first)] if page.first else []
    parts += [plain(page.verdict)] if page.verdict else []
    parts += [part for section in page.parts for part in _part(section)]
    return "\n\n".join(part for part in [*parts, plain(page.footer)] if part) + "\n"


def _part(section: Section) -> Iterator[str]:
    """Yield the blocks of a section as Markdown."""
    yield f"## {plain(section.title)}"
    yield from map(plain, section.text)
    yield "\n".join(map(_step, section.steps))
    yield _bullets(section.items)
    yield "\n".join(f"- **{check.verdict}** {plain(check.name)}: {plain(check.evidence)}" for check in section.checks)
    for picture in section.pictures:
        yield _titled(picture.title, section)
        yield _drawn(picture)
    for table in section.tables:
        yield _titled(table.title, section)
        yield f"{table.markdown()}\n{plain(table.note)}"
    yield "\n".join(_code(command, "    ") for command in section.commands)


def _titled(title: str, section: Section) -> str:
    return "" if title == section.title else f"### {plain(title)}"


def _drawn(picture: Picture) -> str:
    return f"![{plain(picture.alt)}](figures/{picture.name}.svg)\n\n{plain(picture.caption)}"


def _step(step: Step) -> str:
    return f"- {plain(step.why)}" + (f"\n\n{_code(step.command, '      ')}\n" if step.command else "")


def _code(command: str, indent: str) -> str:
    """Return a command as indented code; a line break in a name must not end the block."""
    return "\n".join(f"{indent}{line}" for line in command.splitlines())


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {plain(line)}" for line in lines)
