"""Figures are drawn from the data: assertions are on what is plotted, not on pixels."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from jobs.record import read_records, write_record
from planners import Study, preset
from reports.page.figure import Figure, drawn, inline, render
from reports.study.evidence import Evidence, read_evidence
from reports.study.figures import FIGURES
from reports.study.figures.loss_curves import smooth
from reports.study.figures.marks import marks

Make = Callable[..., Study]


def drawing(name: str, evidence: Evidence) -> Canvas:
    return drawn(FIGURES[name], evidence)


def shown(evidence: Evidence) -> list[Figure[Evidence]]:
    return [figure for figure in FIGURES.values() if figure.has_data(evidence)]


def points_of(canvas: Canvas, gid: str) -> list[Line2D]:
    return [line for axes in canvas.axes for line in axes.get_lines() if line.get_gid() == gid]


def points(canvas: Canvas, gid: str) -> tuple[list[float], list[float]]:
    lines = points_of(canvas, gid)
    assert len(lines) == 1, f"{gid}: {len(lines)} lines"
    return list(map(float, lines[0].get_xdata())), list(map(float, lines[0].get_ydata()))


def test_activation_plots_rate_and_loss_of_each_run(wide: Study) -> None:
    evidence = read_evidence(wide)
    canvas = drawing("activation", evidence)
    for arm in evidence.arms:
        rates, losses = points(canvas, f"runs {arm.label}")
        assert losses == [record.loss for record in arm.done]
        assert rates == [arm.spec.r_a] * 3
    assert canvas.axes[0].get_xscale() == "log"
    assert points(canvas, "optimum")[0][0] == evidence.fits[0].optimum.value  # type: ignore[union-attr]


def test_another_loss_moves_its_point(make: Make, tmp_path: Path) -> None:
    study = make(tmp_path / "moving", preset("smoke"), lambda spec: 3.0)
    before = points(drawing("activation", read_evidence(study)), "runs K4")
    spec, record = next((spec, record) for spec, record in read_records(study) if spec.arm == "K4")
    assert record is not None
    write_record(study, replace(record, loss=2.5))
    after = points(drawing("activation", read_evidence(study)), "runs K4")
    assert before[1] == [3.0]
    assert after[1] == [2.5]
    assert before[0] == after[0] == [spec.r_a]


def test_curve_without_freedom_says_so_and_passes_through_the_points(smoke: Study) -> None:
    evidence = read_evidence(smoke)
    canvas = drawing("activation", evidence)
    rates, losses = points(canvas, "fit")
    for arm in evidence.moe:
        assert np.interp(np.log(arm.spec.r_a), np.log(rates), losses) == pytest.approx(arm.mean("loss"), abs=1e-3)
    labels = " ".join(text.get_text() for text in canvas.legends[0].get_texts())  # type: ignore[union-attr]
    assert "3 runs, 3 coefficients:\npasses through every point" in labels
    assert "95 %" not in labels
    assert "its shape is not evidence of an optimum" in FIGURES["activation"].caption(evidence)


def test_ticks_are_percentages(smoke: Study) -> None:
    canvas = drawing("activation", read_evidence(smoke))
    assert [label.get_text() for label in canvas.axes[0].get_xticklabels()] == ["10 %", "20 %", "50 %", "100 %"]


def test_training_plots_metrics_and_tolerates_a_torn_line(make: Make, tmp_path: Path) -> None:
    study = make(tmp_path / "torn", preset("smoke"), lambda spec: 3.0)
    first, second, third, _ = study.runs()
    path = study.run_folder(first.run_id) / "metrics.jsonl"
    path.write_text(json.dumps({"step": 1, "D": 128, "loss": 5.0}) + "\n" + '{"step": 2, "D": 25')
    (study.run_folder(second.run_id) / "metrics.jsonl").unlink()
    (study.run_folder(third.run_id) / "metrics.jsonl").write_text("no json\n{}\n")
    evidence = read_evidence(study)
    canvas = drawing("loss_curves", evidence)
    assert points(canvas, "curve dense") == ([128.0], [5.0])
    assert points(canvas, "curve K1") == points(canvas, "curve K4") == ([], [])
    assert points(canvas, "validation K1") == ([float(second.training.D)], [3.0])
    caption = FIGURES["loss_curves"].caption(evidence)
    assert "dense (its last line is torn)" in caption
    assert "n = 2 curves of 4 planned runs" in caption
    assert "K1 (it has no metrics.jsonl), K4 (its metrics.jsonl cannot be read)" in caption


def test_a_run_that_broke_off_has_its_own_line_and_a_cross(broken: Study) -> None:
    canvas = drawing("loss_curves", read_evidence(broken))
    assert len(points_of(canvas, "broken K4")) == 1
    crosses = [line for line in canvas.axes[0].get_lines() if line.get_marker() == "x"]
    assert len(crosses) == 2


def test_smoothing_averages_neighbours_and_never_ends_on_one_point() -> None:
    assert smooth([]).tolist() == []
    assert smooth([3.0, 1.0, 2.0]).tolist() == [3.0, 1.0, 2.0]
    assert smooth([float(i) for i in range(40)])[:35].tolist() == pytest.approx(list(range(35)))
    assert smooth([1.0] * 39 + [7.0])[-1] == 2.0


def test_arms_are_told_apart_without_colour(wide: Study) -> None:
    used = marks(read_evidence(wide).arms).values()
    assert len({mark.marker for mark in used}) == len({(mark.line, mark.marker) for mark in used}) == 6


def test_captions_carry_n_convention_and_source(smoke: Study) -> None:
    evidence = read_evidence(smoke)
    assert all("n = " in figure.caption(evidence) for figure in shown(evidence))
    assert all("n = 4" in FIGURES[name].caption(evidence) for name in ("activation", "loss_curves", "equality", "cost"))
    assert all("measured here" in figure.caption(evidence) for figure in shown(evidence))
    assert "exact convention" in FIGURES["activation"].caption(evidence)


@pytest.mark.parametrize("name", ["activation", "loss_curves", "equality"])
def test_same_evidence_same_bytes(smoke: Study, name: str) -> None:
    first, second = (render(FIGURES[name], read_evidence(smoke)) for _ in range(2))
    assert first == second
    assert set(first) == {"svg", "pdf", "png"}
    assert b"<text" not in first["svg"]
    assert b"CreationDate" not in first["pdf"]
    svg = inline(first["svg"], name)
    assert svg.startswith("<svg")
    assert 'id="figure_1"' not in svg
    assert f'id="{name}-figure_1"' in svg
