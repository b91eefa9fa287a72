"""A figure, a table or a check is one constant or function and one line of a registry; the report then shows it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib.figure
import pytest

from planners import Study, UsageError, preset
from reports import write_report
from reports.gallery import write_gallery
from reports.page.figure import Figure
from reports.page.table import ARM, LOSS, TableSpec
from reports.study.evidence import Evidence
from reports.study.figures import FIGURES, draw
from reports.study.study_checks import CHECKS
from reports.study.tables import TABLES

HEADING = "Throw-away section"
FIGURE: Figure[Evidence] = Figure(
    title="Throw-away figure",
    section=HEADING,
    has_data=lambda evidence: True,
    draw=lambda evidence, axes: None,
    caption=lambda evidence: f"Nothing, {evidence.source}.",
    alt=lambda evidence: "Nothing.",
)
TABLE: TableSpec[Evidence] = TableSpec(
    title="Throw-away table",
    section=HEADING,
    columns=(ARM, LOSS),
    rows=lambda evidence: ((arm.label, arm.mean("loss")) for arm in evidence.arms),
    note="Means over seeds.",
)


@pytest.mark.usefixtures("sketched")
def test_a_registered_figure_table_and_check_are_in_the_report(
    monkeypatch: pytest.MonkeyPatch, smoke: Study, tmp_path: Path
) -> None:
    monkeypatch.setitem(FIGURES, "throw_away", FIGURE)
    monkeypatch.setitem(TABLES, "throw_away", TABLE)
    monkeypatch.setitem(CHECKS, "throw away", lambda evidence: (False, "It was looked for."))
    report = write_report(smoke, tmp_path)
    assert {"figures/throw_away.svg", "tables/throw_away.csv"} <= set(report.files)
    text = (tmp_path / "report.md").read_text()
    section = text[text.index(f"## {HEADING}") :]
    assert "### Throw-away figure" in section
    assert "### Throw-away table" in section
    assert "- **warn** throw away: It was looked for." in text
    assert json.loads((tmp_path / "summary.json").read_text())["tables"]["throw_away"] == 4


@pytest.mark.usefixtures("sketched")
def test_a_registered_figure_is_in_the_gallery(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    small = replace(preset("smoke"), study="small", budgets=(5e11,), top_ks=(0, 2, 4))
    monkeypatch.setattr(write_gallery, "SAMPLES", {"One budget": small})
    monkeypatch.setattr(write_gallery, "PAIR", (small, replace(small, study="other", seeds=(1,))))
    monkeypatch.setattr(write_gallery, "PAPERS", [])
    monkeypatch.setitem(FIGURES, "throw_away", FIGURE)
    report = write_gallery.write_gallery(tmp_path)
    assert {"figures/throw_away.svg", "figures/activation.svg", "figures/versus_arms.svg"} <= set(report.files)


def test_a_figure_is_drawn_in_one_call(smoke: Study) -> None:
    canvas = draw("activation", smoke.folder)
    assert isinstance(canvas, matplotlib.figure.Figure)
    assert canvas.axes[0].get_xlabel() == "activation rate  r_a = N_a / N"


def test_an_unknown_figure_and_one_without_data_are_usage_errors(make: Callable[..., Study], smoke: Study) -> None:
    with pytest.raises(UsageError, match="'actvation' is not one of activation, optimum"):
        draw("actvation", smoke)
    with pytest.raises(UsageError, match="has nothing to show in the figure surface"):
        draw("surface", smoke)
