"""Every published study is one folder and one line, and its page shows its own numbers and all its figures."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fits import RunTable
from planners import UsageError
from reports import papers
from reports.gallery import write_gallery as gallery
from reports.page.figure import drawn
from reports.papers import PAPERS, Reproduction, reproduce, reproduction
from reports.papers.chinchilla.study import NEAR
from reports.papers.porian.study import SETTING, STEPS
from scaling import cli

NAMES = ("chinchilla", "clark", "gadre", "muennighoff", "porian", "tinystories")
"""The studies with the page layout that most share; `test_li2025.py` has the other one."""
THROWAWAY = '''
"""A study of one number."""

from dataclasses import dataclass

from reports.page.figure import Figure
from reports.papers.claim import Claim
from reports.papers.reproduction import with_usual_page


@dataclass(frozen=True)
class Data:
    source: str = "published: one number"


FIGURES = {
    "throwaway_line": Figure(
        title="A line",
        draw=lambda data, axes: axes.plot([1, 2], [3, 4]),
        caption=lambda data: "A line.",
        alt=lambda data: "A line in words.",
    )
}


def reproduction():
    claim = Claim(says="It is 4.", where="text", found="It is 4.", verdict="agrees")
    words = {"title": "A study of one number", "question": "What is it?", "answer": "It is 4.", "footer": "n = 1."}
    summary = {"number": 4}
    return with_usual_page(Data(), FIGURES, claims=(claim,), reasons=(), tables=(), summary=summary, **words)
'''


@pytest.fixture(scope="session")
def built(hoffmann: Any, routed: Any, over_trained: Any, repeated: Any, allocation: Any, small: Any) -> dict[str, Any]:
    """The data of each study by its name."""
    return dict(zip(NAMES, (hoffmann, routed, over_trained, repeated, allocation, small), strict=True))


@pytest.fixture
def made(name: str, built: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Reproduction:
    """The study `name`, from data with few bootstrap draws."""
    monkeypatch.setattr(import_module(f"reports.papers.{name}.page"), "build", lambda _: built[name])
    return reproduction(name)


@pytest.fixture
def throwaway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A paper added as a user would add one: a folder with a page module, and one line of PAPERS."""
    folder = tmp_path / "papers" / "throwaway"
    folder.mkdir(parents=True)
    (folder / "page.py").write_text(THROWAWAY)
    monkeypatch.setattr(papers, "__path__", [*papers.__path__, str(folder.parent)])
    PAPERS.append("throwaway")
    yield "throwaway"
    PAPERS.remove("throwaway")


def test_a_new_paper_is_found_by_the_command(
    throwaway: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["report", "--reproduce", throwaway, "-o", str(tmp_path / "out"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["answer"] == "It is 4."
    assert {"figures/throwaway_line.svg", "tables/claims.csv"} <= set(printed["files"])
    assert "python -m scaling.report --reproduce throwaway" in (tmp_path / "out" / "report.md").read_text()


def test_a_new_paper_is_found_by_the_gallery(throwaway: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "PAPERS", PAPERS[-1:])
    monkeypatch.setattr(gallery, "_studies", tuple)
    report = gallery.write_gallery(tmp_path / "out")
    assert {name for name in report.files if name.endswith(".svg")} == {"figures/throwaway_line.svg"}
    assert "Published: one number" in (tmp_path / "out" / "report.md").read_text()


def test_a_page_that_leaves_out_a_figure_is_an_error(
    throwaway: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = reproduction(throwaway)
    bare = replace(made, page=lambda pictures: made.page({}))
    monkeypatch.setattr(papers, "reproduction", lambda name: bare)
    with pytest.raises(ValueError, match="the page of throwaway leaves out these figures: throwaway_line"):
        reproduce(throwaway, tmp_path / "out")


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_all_figures_and_its_own_numbers(made: Reproduction, sketched: None, tmp_path: Path) -> None:
    page = papers.page_of("name", made)
    assert set(page.pictures) == set(made.figures)
    assert page.first is not None
    assert page.first.name == next(iter(made.figures))
    assert page.sections[-1].commands == ("python -m scaling.report --reproduce name",)
    assert page.answer[0].isupper()
    assert "claims" in page.tables
    assert "nan" not in page.answer
    assert json.loads(json.dumps(made.summary)) == made.summary


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_is_drawn_with_words(made: Reproduction) -> None:
    assert len(made.figures) >= 2
    assert made.data.source.startswith("published: ")
    for figure in made.figures.values():
        assert figure.has_data(made.data)
        assert drawn(figure, made.data).axes
        assert len(figure.caption(made.data)) > 60
        assert "nan" not in figure.caption(made.data) + figure.alt(made.data)


def moved(table: RunTable, row: int, factor: float, column: str = "loss") -> RunTable:
    """Return the table with one number changed."""
    frame = table.frame.copy()
    frame.iloc[row, frame.columns.get_loc(column)] *= factor
    return replace(table, frame=frame)


def points(figure: str, name: str, data: Any, gid: str) -> list[tuple[float, float]]:
    """Return the points of the line with that id in a figure of the paper `name`."""
    canvas = drawn(import_module(f"reports.papers.{name}.figures").FIGURES[figure], data)
    line = next(line for axes in canvas.axes for line in axes.lines if line.get_gid() == gid)
    return [(float(x), float(y)) for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)]


@pytest.mark.parametrize(
    ("name", "figure", "row", "gid"),
    [
        ("chinchilla", "chinchilla_isoflop", 3, "runs 6e18"),
        ("gadre", "gadre_c4", 2, "runs M 20"),
        ("porian", "porian_isoflop", -1, "points 2.56e19"),
        ("clark", "clark_sbase", 1, "runs 27.3M"),
        ("muennighoff", "muennighoff_epochs", 0, "runs N 4.25B, D 84B"),
    ],
)
def test_another_row_is_another_figure(name: str, figure: str, row: int, gid: str) -> None:
    """A figure shows the rows, and the fits of them: none of it is stored."""
    study = import_module(f"reports.papers.{name}.study")
    few = {"porian": {}, "muennighoff": {"draws": 0, "free_draws": 0}}.get(name, {"draws": 2})
    rows, build = study.read(), partial(study.build, **few)
    first = rows[0] if name == "porian" else rows
    at = int(np.flatnonzero(first.frame.apply(_shown, axis=1, name=name))[row])
    changed = moved(first, at, 1.05)
    before, after = build(rows), build((changed, rows[1]) if name == "porian" else changed)
    old, new = points(figure, name, before, gid), points(figure, name, after, gid)
    assert len(old) == len(new)
    assert sum(a != b for a, b in zip(old, new, strict=True)) == 1
    y = first.frame["loss"].iloc[at]
    assert {round(b[1] / a[1], 6) for a, b in zip(old, new, strict=True) if a != b} == {1.05}
    assert any(a[1] == pytest.approx(y) for a in old)


def _shown(row: Any, name: str) -> bool:
    """Return whether the line of the figure shows a row."""
    match name:
        case "chinchilla":
            return bool(abs(np.log(row["C"] / 6e18)) <= NEAR)
        case "gadre":
            return bool(row["dataset"] == "c4_original" and row["tok_mult"] == 20)
        case "clark":
            usual = row["routing_frequency"] == 0.5 and row["top_k"] == 1 and row["seed"] == 42
            return bool(usual and row["router_type"] in ("S-Base", "Dense") and row["N_a"] == 27279360)
        case "muennighoff":
            return bool(abs(row["N"] / 4.25e9 - 1) < 0.01 and abs(row["D"] / 84e9 - 1) < 0.01)
        case _:
            return row["C"] == 2.56e19 and tuple(row[column] for column in SETTING) == STEPS[-1][1]


def test_unknown_papers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="published study 'kaplan' is not one of li2025, chinchilla"):
        reproduce("kaplan", tmp_path)
    assert not list(tmp_path.iterdir())
    assert {*NAMES, "li2025"} <= set(PAPERS)
