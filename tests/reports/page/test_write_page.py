"""The page: self-contained, inert, accessible, and the same bytes twice."""

import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from planners import Study, preset
from reports import Report, write_report
from reports.page.escape import latex

Make = Callable[..., Study]
NASTY = "<script>alert(1)</script>|\"'🙂"
SHAPES = {"svg", "g", "defs", "style", "path", "use", "clipPath", "rect", "metadata", "image", "text", "title"}
"""Elements of a drawing; none of them runs anything."""
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that tags close."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def html(smoke_report: Report) -> Page:
    return Page((smoke_report.folder / "report.html").read_text())


def test_second_report_is_byte_identical(smoke: Study, smoke_report: Report, tmp_path: Path) -> None:
    first, second = smoke_report, write_report(smoke, tmp_path)
    assert snapshot(first.folder) == snapshot(second.folder)
    assert set(first.files) == set(snapshot(first.folder))
    assert first.files[0] == "report.html"


def test_html_needs_nothing_beside_it(html: Page) -> None:
    assert not html.open
    assert not {tag for tag, _ in html.tags} & {"script", "link", "img", "iframe", "object"}
    for _, attributes in html.tags:
        for name in ("src", "href", "xlink:href", "data"):
            assert not re.match(r"[a-z]+:|//", attributes.get(name) or "")
        assert not any(name.startswith("on") for name in attributes)
    style = html.text[: html.text.index("Activation-rate study")]
    assert "url(" not in style
    assert "@import" not in style


def test_ids_are_unique_and_references_resolve(html: Page) -> None:
    ids = [attributes["id"] for _, attributes in html.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    used = [a["xlink:href"][1:] for _, a in html.tags if (a.get("xlink:href") or "").startswith("#")]  # type: ignore[index]
    assert used
    assert set(used) <= set(ids)


def test_every_figure_has_words(html: Page) -> None:
    drawings = [attributes for _, attributes in html.tags if attributes.get("role") == "img"]
    assert len(drawings) == sum(tag == "figure" for tag, _ in html.tags) >= 2
    assert all(len(attributes["aria-label"] or "") > 40 for attributes in drawings)


def test_answer_comes_before_everything_else(html: Page) -> None:
    order = [
        "No optimum is claimed",
        "checks gave a warning: ",
        "Final validation loss against activation rate",
        "Next",
        "Checks\n",
        "Equality of the arms",
        "How to make it again",
    ]
    places = [html.text.index(part) for part in order]
    assert places == sorted(places)
    assert "MoE beats" not in html.text
    assert "python -m scaling.study smoke" in html.text


@pytest.mark.usefixtures("sketched")
def test_names_come_out_inert_and_intact(make: Make, tmp_path: Path) -> None:
    study = make(
        tmp_path / "nasty", replace(preset("smoke"), study=NASTY), lambda spec: 3.0, data=f"text:{NASTY}",
        change=lambda spec, made: replace(made, state="failed", loss=None, error=NASTY) if spec.arm == "K1" else made,
    )  # fmt: skip
    report = write_report(study)
    page = Page((report.folder / "report.html").read_text())
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.text.count(NASTY) >= 4  # title, heading, corpus, reason of the failure
    assert json.loads((report.folder / "summary.json").read_text())["study"] == NASTY
    text = (report.folder / "report.md").read_text()
    assert not re.search(r"(?<!\\)<script", text)
    assert "🙂" in text


def test_markdown_points_to_files_that_are_there(smoke_report: Report) -> None:
    report, folder = smoke_report, smoke_report.folder
    links = re.findall(r"\]\(([^)]+)\)", (folder / "report.md").read_text())
    assert links
    assert set(links) <= set(report.files)
    hrefs = re.findall(r'href="((?:figures|tables|summary)[^"]*)"', (folder / "report.html").read_text())
    assert len(hrefs) > 10
    assert set(hrefs) <= set(report.files)


@pytest.mark.usefixtures("sketched")
def test_summary_holds_the_key_numbers(wide: Study, tmp_path: Path) -> None:
    report = write_report(wide, tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["answer"] == report.answer
    assert summary["complete"]
    assert summary["runs"]["done"] == 18
    assert summary["fits"][0]["optimum"]["status"] == "converged"
    assert summary["lead"][0]["n"] == 3
    assert summary["lead"][0]["lo"] < summary["lead"][0]["nats"] < summary["lead"][0]["hi"]
    assert [check["name"] for check in summary["checks"]] == [check.name for check in report.checks]


@pytest.mark.usefixtures("sketched")
def test_files_of_an_earlier_report_do_not_stay(make: Make, tmp_path: Path) -> None:
    study = make(tmp_path / "stale", preset("smoke"), lambda spec: 3.0)
    assert "tables/fit.csv" in write_report(study).files
    (study.fits / "fits.json").unlink()
    (study.report / "mine.txt").write_text("kept")
    assert "tables/fit.csv" not in write_report(study).files
    assert not (study.report / "tables/fit.csv").exists()
    assert (study.report / "mine.txt").exists()


def test_no_path_of_this_machine_is_written(smoke: Study, smoke_report: Report) -> None:
    for name, content in snapshot(smoke_report.folder).items():
        assert str(smoke.folder.parent).encode() not in content, name
        assert str(smoke_report.folder.parent).encode() not in content, name


def test_import_is_light() -> None:
    heavy = {"torch", "matplotlib", "pandas", "jinja2", "scipy", "numpy"}
    code = f"import sys, reports; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


EVIL = "=cmd|\"/C calc\"!A0 <script>alert('1')</script> \\input{x} $_#&%\u202e 🙂"
"""A formula, a tag, a macro and signs that turn text or that the font lacks, in one name of an arm."""


def test_a_name_is_inert_in_every_file_of_a_report_with_its_figures(make: Make, tmp_path: Path) -> None:
    given = tuple(
        replace(arm, label=f"{EVIL} {arm.label}", D=98_304)
        for arm in preset("tinystories-moe").arms
        if arm.label in ("dense", "E4", "E8")
    )
    question = replace(preset("tinystories-moe"), study="evil", arms=given, eval_windows=16, seeds=(0, 1))
    report = write_report(make(tmp_path / "evil", question, lambda spec: 8 + spec.N / 1e9, fit=False))
    drawn = [ElementTree.fromstring(path.read_bytes()) for path in sorted(report.folder.glob("figures/*.svg"))]
    named = [name for root in drawn for element in root.iter() if EVIL in (name := element.get("id", ""))]
    assert named  # the lines of an arm bear its name
    for element in (element for root in drawn for element in root.iter()):
        assert element.tag.rpartition("}")[2] in SHAPES
        assert not any(name.startswith("on") for name in element.attrib)
    page = Page((report.folder / "report.html").read_text())
    assert not {tag for tag, _ in page.tags} & {"script", "iframe", "object", "foreignObject"}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    for path in report.folder.glob("tables/*.csv"):
        rows = list(csv.reader(path.open(newline="", encoding="utf-8")))
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@", "\t"))]
    labels = [row["arm"] for row in csv.DictReader((report.folder / "tables/results.csv").open(encoding="utf-8"))]
    assert labels == [f"'{arm.label}" for arm in given]
    signs = re.compile(r"\$(\\times|\\approx|\\pm|-)\$")  # the only mathematics that a table sets
    tex = {path.name: signs.sub("", path.read_text()) for path in report.folder.glob("tables/*.tex")}
    assert all(latex(arm.label) in tex["results.tex"] for arm in given)
    assert not [name for name, text in tex.items() if re.search(r"\\input|<script|\u202e|(?<!\\)[$#_]", text)]
