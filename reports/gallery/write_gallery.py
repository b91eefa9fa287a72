"""The gallery: every figure that a report can show, on one page.

Figures of a study are drawn from simulated studies, the others from the shipped published numbers.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from reports.gallery.simulated_sample import PAIR, SAMPLES, write_sample
from reports.page.figure import Picture, pictures
from reports.page.number_text import counted
from reports.page.page import Page, Section
from reports.page.write_page import Report, write_page
from reports.papers import PAPERS, reproduction
from reports.study.evidence import read_evidence
from reports.study.figures import FIGURES
from reports.versus import figures as versus
from reports.versus.compare import against

QUESTION = "What does each figure of a report look like?"
STATE = "The figures of a study are simulated. They show what a report looks like and are not findings."


def write_gallery(folder: Path) -> Report:
    """Write the page of all figures to `folder`: those of simulated studies, then those of the published studies."""
    sections = (*_studies(), *_published())
    count = sum(len(section.pictures) for section in sections)
    answer = f"{counted(count, 'figure')} in one style, readable in grey print and by colour-blind readers."
    page = Page(
        kind="Gallery",
        title="Figures",
        question=QUESTION,
        answer=answer,
        state=(STATE,),
        sections=sections,
        footer="Figures that do not say `simulated` are drawn from the published numbers that they name.",
    )
    files = write_page(folder, page, {"figures": list(page.pictures)})
    return Report(answer=answer, checks=(), complete=True, gaps=(), folder=folder, files=files)


def _studies() -> Iterator[Section]:
    """Yield each figure of a study, for the first simulated study that has data for it, then those of two studies."""
    shown: set[str] = set()
    for title, question in SAMPLES.items():
        with TemporaryDirectory() as folder:
            evidence = read_evidence(write_sample(Path(folder) / question.study, question))
            wanted = {name: figure for name, figure in FIGURES.items() if name not in shown}
            found = pictures(wanted, evidence)
        shown |= set(found)
        yield _section(title, found)
    with TemporaryDirectory() as folder:
        a, b = (read_evidence(write_sample(Path(folder) / question.study, question)) for question in PAIR)
        yield _section("Two studies side by side", pictures(versus.FIGURES, against(a, b)))


def _published() -> Iterator[Section]:
    for name in PAPERS:
        made = reproduction(name)
        title = f"Published: {made.data.source.removeprefix('published: ')}"
        yield _section(title, pictures(made.figures, made.data))


def _section(title: str, found: dict[str, Picture]) -> Section:
    return Section(title=title, pictures=tuple(found.values()))
