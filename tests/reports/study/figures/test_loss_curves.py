"""The loss curves show the metrics of each run, also where they are torn."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D

from planners import Study, preset
from reports.page.figure import drawn
from reports.study.evidence import Evidence, read_evidence
from reports.study.figures import FIGURES
from reports.study.figures.loss_curves import smooth

Make = Callable[..., Study]


def drawing(name: str, evidence: Evidence) -> Canvas:
    return drawn(FIGURES[name], evidence)


def points_of(canvas: Canvas, gid: str) -> list[Line2D]:
    return [line for axes in canvas.axes for line in axes.get_lines() if line.get_gid() == gid]


def points(canvas: Canvas, gid: str) -> tuple[list[float], list[float]]:
    lines = points_of(canvas, gid)
    assert len(lines) == 1, f"{gid}: {len(lines)} lines"
    return list(map(float, lines[0].get_xdata())), list(map(float, lines[0].get_ydata()))


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
    assert "dense (1 of its 2 lines cannot be read)" in caption
    assert "n = 2 curves of 4 planned runs" in caption
    assert "K1 (it has no metrics.jsonl), K4 (1 of its 2 lines cannot be read)" in caption


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
