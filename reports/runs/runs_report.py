"""The page of a fitted table of runs: answer first, then figures, fits, checks, the runs, and the command."""

from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from fits.result import FitResult
from planners.records.check import Check
from planners.records.json import to_json
from reports.page.figure import drawn, pictures
from reports.page.number_text import counted, sentence
from reports.page.page import Page, Section, arranged, to_html
from reports.page.write_page import Report, write_page
from reports.runs.answer import answer_of, more_of, question_of
from reports.runs.figures import FIGURES
from reports.runs.fitted_runs import FittedRuns
from reports.runs.tables import make_tables
from reports.study.write_report import verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

FIRST = "loss"
"""The figure next to the answer."""
SECTIONS = ("Predictions", "IsoFLOP", "Fits", "Residuals", "Runs")
"""Headings in reading order."""


@dataclass(frozen=True, kw_only=True, repr=False)
class RunsReport:
    """The answer to a table of runs. A notebook shows its page; `plot()` is its first figure."""

    data: FittedRuns
    """The runs with their fits."""

    @property
    def answer(self) -> str:
        """The answer in one sentence."""
        return answer_of(self.data)

    @property
    def checks(self) -> tuple[Check, ...]:
        """Checks of what could make the answer wrong; a check of several series that warns in one of them warns."""
        every = [check for found in self.data.found.checks.values() for check in found]
        return tuple({check.name: check for check in sorted(every, key=lambda one: one.verdict == "warn")}.values())

    @cached_property
    def page(self) -> Page:
        """The page, with its figures drawn."""
        drawings, tables = pictures(FIGURES, self.data), make_tables(self.data)
        others = {name: picture for name, picture in drawings.items() if name != FIRST}
        data = self.data
        return Page(
            kind="Runs of a table",
            title=Path(data.table.source).name,
            question=question_of(data),
            answer=self.answer,
            more=tuple(more_of(data)),
            state=("Simulated: these losses were drawn from a law, not measured.",) if _is_simulated(data) else (),
            first=drawings.get(FIRST),
            verdict=verdict(self.checks),
            sections=(
                Section(title="Checks", checks=self.checks),
                *arranged(SECTIONS, others, tables, {}),
                Section(title="Notes", items=tuple(_notes(data))),
                Section(title="How to make it again", commands=(data.command,) if data.command else ()),
            ),
            footer=f"{counted(len(data.table), 'run')}, {data.source}; losses in {data.unit}.",
        )

    def write(self, folder: Path) -> Report:
        """Write the page, its figures and its tables to `folder`."""
        data, gaps = self.data, tuple(f"{what}: {why}" for what, why in self.data.found.refused.items())
        summary = {
            "answer": self.answer,
            "unit": data.table.unit,
            "fits": [_numbers(fit) for fit in data.fits],
            "isoflop": to_json(data.found.isoflop),
            "checks": to_json(self.checks),
        }
        files = write_page(folder, self.page, summary)
        return Report(answer=self.answer, checks=self.checks, complete=not gaps, gaps=gaps, folder=folder, files=files)

    def plot(self, name: str = FIRST) -> "Canvas":
        """Return a figure (`loss`, `sizes` or `residuals`) as a matplotlib figure, to change or to save."""
        return drawn(FIGURES[name], self.data)

    def _repr_html_(self) -> str:
        """Return the page in a frame of its own, so that its style leaves the notebook alone."""
        return f'<iframe srcdoc="{escape(to_html(self.page))}" style="width:100%;height:40em;border:0"></iframe>'

    def __repr__(self) -> str:
        return f"<RunsReport {self.data.table.source}: {self.answer}>"

    def __str__(self) -> str:
        return f"{self.answer}\n\n{self.data.found}"


def _numbers(fit: FitResult) -> dict[str, object]:
    names = ("law", "n", "dof", "status", "params", "optimum")
    return {"name": fit.name, **{name: to_json(getattr(fit, name)) for name in names}}


def _is_simulated(data: FittedRuns) -> bool:
    return data.table.has("flags") and bool(data.table.frame["flags"].astype(str).str.contains("simulated").any())


def _notes(data: FittedRuns) -> list[str]:
    """Return what else a reader must know, each sentence once."""
    notes = [*(data.found.isoflop.notes if data.found.isoflop else ()), *(n for fit in data.fits for n in fit.notes)]
    return [sentence(note) for note in dict.fromkeys(notes)]
