"""Loss against activation rate: assertions are on the plotted data, not on pixels."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from jobs.record import read_records, write_record
from planners import Study, preset
from reports.page.figure import Figure, drawn
from reports.study.evidence import Evidence, read_evidence
from reports.study.figures import FIGURES

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


def test_captions_carry_n_convention_and_source(smoke: Study) -> None:
    evidence = read_evidence(smoke)
    assert all("n = " in figure.caption(evidence) for figure in shown(evidence))
    assert all("n = 4" in FIGURES[name].caption(evidence) for name in ("activation", "loss_curves", "equality", "cost"))
    assert all("measured here" in figure.caption(evidence) for figure in shown(evidence))
    assert "exact convention" in FIGURES["activation"].caption(evidence)
