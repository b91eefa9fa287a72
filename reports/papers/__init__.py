"""Published studies done again from the numbers that they printed: each is one module and one line of REPRODUCTIONS.

Nothing is stored but the published rows: every number and every sentence is computed when the report is written.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from planners.records.errors import UsageError
from reports.page.figure import Figure
from reports.page.picture import pictures
from reports.page.write_page import write_page
from reports.papers.reproduction import Reproduction
from reports.study.write_report import Report

__all__ = ["REPRODUCTIONS", "Reproduction", "figures_of", "reproduce"]


def _module(name: str) -> Callable[[], Reproduction]:
    """Return what builds a reproduction; its module is imported when it is called."""
    return lambda: import_module(f"reports.papers.{name}").reproduction()


REPRODUCTIONS: dict[str, Callable[[], Reproduction]] = {
    "li2025": _module("li2025.page"),
    "chinchilla": _module("chinchilla.study"),
    "clark": _module("clark.study"),
    "muennighoff": _module("muennighoff.study"),
    "gadre": _module("gadre.study"),
    "porian": _module("porian.study"),
    "tinystories": _module("tinystories.study"),
}
"""Name on the command line -> what builds it."""


def figures_of(name: str) -> dict[str, Figure[Any]]:
    """Return the figures of the published study `name`: the registry FIGURES of its own module `figures`."""
    found: dict[str, Figure[Any]] = import_module(f"reports.papers.{name}.figures").FIGURES
    return found


def reproduce(name: str, folder: Path) -> Report:
    """Write the page of the published study `name` to `folder`, with its figures and tables.

    Raises UsageError that lists the known names.
    """
    if name not in REPRODUCTIONS:
        raise UsageError(f"no published study is called {name!r}; known: {', '.join(REPRODUCTIONS)}")
    return write_reproduction(name, REPRODUCTIONS[name](), folder)


def write_reproduction(name: str, made: Reproduction, folder: Path) -> Report:
    """Write the page of a reproduction to `folder`; its figures are those of the kind `name`."""
    page = made.page(pictures(figures_of(name), made.data))
    text = " ".join([*page.state, page.answer, *page.more])
    files = write_page(folder, page, {"paper": name, "answer": text, **made.summary})
    return Report(answer=text, checks=(), complete=True, gaps=(), folder=folder, files=files)
