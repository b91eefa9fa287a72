"""Pages in headless Chromium: on a desk, on a phone and on paper. Skipped, and said so, where there is no Chromium."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import Browser, browser, program

from jobs.record import RunRecord
from planners import RunSpec, Study, preset
from reports import Report, write_report
from reports.gallery.write_gallery import write_gallery
from reports.papers import PAPERS, reproduce
from reports.versus.page import write_versus

DESK, PHONE, PAPER = 1280, 390, 703
"""CSS pixels; A4 less its margins of 12 mm is 703."""

pytestmark = pytest.mark.skipif(program() is None, reason="NO CHROMIUM HERE: how pages look is not checked")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


LONG = ("muennighoff", "gallery")
"""Pages that take longest to make."""
PAGES = [
    pytest.param(name, marks=[pytest.mark.soak] if name in LONG else [])
    for name in ("smoke", "wide", "gaps", "versus", *PAPERS, "gallery")
]


@pytest.fixture(scope="module", params=PAGES)
def page(
    request: pytest.FixtureRequest,
    smoke: Study,
    wide: Study,
    smoke_report: Report,
    make: Callable[..., Study],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A page of each kind, with its figures drawn."""
    folder = tmp_path_factory.mktemp(request.param)
    match request.param:
        case "smoke":
            return smoke_report.folder / "report.html"
        case "wide":
            write_report(wide, folder)
        case "gaps":
            long = "text:/" + "a-very-long-name-of-a-folder/" * 9
            write_report(make(folder / "study", preset("smoke"), smoke_loss, change=no_k4, data=long), folder)
        case "versus":
            write_versus(smoke, wide, folder)
        case "gallery":
            write_gallery(folder)
        case name:
            reproduce(name, folder)
    return folder / "report.html"


def smoke_loss(spec: RunSpec) -> float:
    return 2.9 + spec.r_a / 10


def no_k4(spec: RunSpec, made: RunRecord) -> RunRecord | None:
    return None if spec.arm == "K4" else made


@pytest.mark.parametrize(("width", "media"), [(DESK, "screen"), (PHONE, "screen"), (PAPER, "print")])
def test_nothing_sticks_out_and_all_can_be_read(chromium: Browser, page: Path, width: int, media: str) -> None:
    chromium.open(page, width, media=media)
    found = chromium.audit()
    assert found["width"] <= width
    assert found["beyond"] == []
    assert found["faint"] == []
    assert found["unnamed"] == []
    assert found["drawings"] > found["bare"] == 0
    assert chromium.missing_glyphs(found["text"]) == []
    assert chromium.requests == [page.resolve().as_uri()]
    if media == "print":
        assert found["scrolled"] == [], "paper cannot be scrolled"
        assert chromium.pdf().startswith(b"%PDF")


def test_the_audit_finds_each_fault(chromium: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<meta charset=utf-8><body style='background:#fff'><p style='color:#999'>faint</p><img src='http://127.0.0.1:9/x'>"
        "<svg></svg><p style='width:3000px'>wide</p><div class=wide style='width:9em; overflow:auto'><i "
        "style='display:block; width:30em'>scrolled</i></div><p>\U0010fffd</p>"
    )
    chromium.open(page, DESK)
    found = chromium.audit()
    assert found["width"] > DESK
    assert [line.split(":")[0] for line in found["beyond"]] == ["P"]
    assert [line.split()[1] for line in found["faint"]] == ["faint"]
    assert len(found["scrolled"]) == len(found["unnamed"]) == found["bare"] == 1
    assert chromium.missing_glyphs(found["text"]) == ["\U0010fffd"]
    assert "http://127.0.0.1:9/x" in chromium.requests
