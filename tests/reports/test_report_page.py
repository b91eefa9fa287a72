"""The page: self-contained, inert, accessible, and the same bytes twice."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from planners import Study, preset
from reports import Report, write_report

Make = Callable[..., Study]
NASTY = "<script>alert(1)</script>|\"'🙂"
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
        "checks fired: ",
        "Final validation loss against activation rate",
        "Next",
        "Checks\n",
        "Ledger of equality",
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
    (study.fits / "quadratic.json").unlink()
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
