"""Published studies reproduced from the numbers that they printed: each is a folder here and one line of PAPERS.

Only the published rows are stored: every number and every sentence is computed when the page is written.
"""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

from planners.records.registry import look_up
from reports.page.figure import pictures
from reports.page.page import Page, Section
from reports.page.write_page import Report, write_page
from reports.papers.reproduction import Reproduction

__all__ = ["PAPERS", "Reproduction", "page_of", "reproduce", "reproduction"]

PAPERS = [
    "li2025",
    "chinchilla",
    "clark",
    "muennighoff",
    "gadre",
    "porian",
    "tinystories",
]
"""Name on the command line, which is also the folder whose `page.reproduction()` builds the study."""


def reproduction(name: str) -> Reproduction:
    """Return the published study `name`, refitted. Raises UsageError that lists the known names."""
    folder = look_up(dict.fromkeys(PAPERS, name), name, "published study")
    built: Reproduction = import_module(f"reports.papers.{folder}.page").reproduction()
    return built


def reproduce(name: str, folder: Path) -> Report:
    """Write the page of the published study `name` to `folder`, with its figures and tables.

    Raises UsageError that lists the known names.
    """
    made = reproduction(name)
    page = page_of(name, made)
    text = " ".join([*page.state, page.answer, *page.more])
    files = write_page(folder, page, {"paper": name, "answer": text, **made.summary})
    return Report(answer=text, checks=(), complete=True, gaps=(), folder=folder, files=files)


def page_of(name: str, made: Reproduction) -> Page:
    """Return the page of a study, with its figures drawn and with the command that writes it.

    Raises ValueError where the page leaves out a figure that was drawn.
    """
    drawn = pictures(made.figures, made.data)
    page = made.page(drawn)
    command = Section(title="How to reproduce this page", commands=(f"python -m scaling.report --reproduce {name}",))
    page = replace(page, sections=(*page.sections, command))
    if lost := drawn.keys() - page.pictures.keys():
        raise ValueError(f"the page of {name} leaves out these figures: {', '.join(sorted(lost))}")
    return page
