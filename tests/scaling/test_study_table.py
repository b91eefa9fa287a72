"""The runs of a study, joined with losses of runs that were trained elsewhere."""

import csv
import json
from pathlib import Path

import pytest

from fits import read_table
from jobs.record import planned
from planners import Study
from scaling import cli
from scaling.study_table import joined


def elsewhere(study: Study, path: Path, **changes: str) -> Path:
    """Write a table of losses of the study's planned runs, as another trainer would."""
    rows = [{"run_id": run.run_id, "loss": 3.0 + run.training.seed + run.r_a} | changes for run in study.runs()]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_runs_trained_elsewhere_take_the_columns_of_the_plan(tiny_study: Study, tmp_path: Path) -> None:
    table = joined(tiny_study, read_table(elsewhere(tiny_study, tmp_path / "losses.csv")))
    specs = tiny_study.runs()
    assert table.numbers("N").tolist() == [spec.N for spec in specs]
    assert table.rates().tolist() == [spec.r_a for spec in specs]
    assert set(planned(specs[0])) <= set(table.frame)


def test_a_run_that_failed_here_stays_listed(
    tiny_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = planned(tiny_study.runs()[0]) | {"state": "failed", "loss": None}
    monkeypatch.setattr("scaling.study_table.collect", lambda study: [failed])
    table = joined(tiny_study, read_table(elsewhere(tiny_study, tmp_path / "losses.csv")))
    assert [one.reason for one in table.dropped] == ["state is failed"]
    assert len(table) == len(tiny_study.runs())


def test_a_fit_of_runs_trained_elsewhere(tiny_study: Study, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = elsewhere(tiny_study, tmp_path / "losses.csv")
    assert cli.main(["fit", str(tiny_study.folder), "--runs", str(path), "--json"]) == cli.DONE
    found = json.loads(capsys.readouterr().out)
    assert found["fits"][0]["n"] == 2
    assert found["reuse"] == []


def test_a_run_that_nobody_planned_is_refused(tiny_study: Study, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = elsewhere(tiny_study, tmp_path / "losses.csv", run_id="feedfacecafe")
    assert cli.main(["fit", str(tiny_study.folder), "--runs", str(path)]) == cli.USAGE
    assert "planned no run feedfacecafe" in capsys.readouterr().err
