"""The studies in `results/`: a report again needs no new fit and changes no list of files; every picture is there."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from planners import Study
from reports.study.write_report import write_report

ROOT = Path(__file__).parents[2]
STUDIES = sorted(path.parent.parent.name for path in (ROOT / "results").glob("*/report/report.md"))
"""Finished studies; one that is still being trained has no page yet."""


@pytest.mark.parametrize("name", STUDIES)
def test_a_report_again_needs_no_new_fit(name: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "results" / name, tmp_path / name, ignore=shutil.ignore_patterns("report"))
    made = write_report(Study(tmp_path / name))
    assert not any("fit again" in check.evidence for check in made.checks)
    text = (tmp_path / name / "report" / "report.md").read_text()
    assert "fits were made from other runs" not in text
    pictures = set(re.findall(r"\]\((figures/[^)]+)\)", text))
    assert pictures
    assert all((ROOT / "results" / name / "report" / picture).is_file() for picture in pictures)
    tables = {path.name for path in (tmp_path / name / "report" / "tables").iterdir()}
    assert tables == {path.name for path in (ROOT / "results" / name / "report" / "tables").iterdir()}


@pytest.mark.parametrize("name", STUDIES)
def test_the_pictures_of_a_shipped_page_are_in_the_repository(name: str) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    tracked = subprocess.run(["git", "ls-files", f"results/{name}"], cwd=ROOT, capture_output=True, text=True).stdout
    page = ROOT / "results" / name / "report" / "report.md"
    for picture in re.findall(r"\]\((figures/[^)]+)\)", page.read_text()):
        assert f"results/{name}/report/{picture}" in tracked.split()
