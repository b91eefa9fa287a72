"""Runs that another engine trained: found by run_id, held against the plan, and shown in the report."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from fits import read_table
from jobs.engines.export import export_runs
from jobs.record import has_weights, read_record
from planners import RunSpec, Study, UsageError
from scaling import cli
from scaling.elsewhere import recognised
from scaling.study_table import joined


def table(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def row(spec: RunSpec, **more: Any) -> dict[str, Any]:
    return {"run_id": spec.run_id, "loss": 3.0 + spec.r_a, **more}


def test_the_run_id_is_found_in_a_name(tiny_study: Study, tmp_path: Path) -> None:
    rows = [{"Name": f"moe/{run.arm}-{run.run_id} second try", "loss": 3.0 + run.r_a} for run in tiny_study.runs()]
    found = joined(tiny_study, read_table(table(tmp_path / "wandb.csv", rows)))
    assert found.frame["run_id"].tolist() == [run.run_id for run in tiny_study.runs()]


def test_the_plan_states_N_whatever_the_table_says(tiny_study: Study, tmp_path: Path) -> None:
    rows = [row(run, N=54321, D=run.training.D) for run in tiny_study.runs()]
    found = joined(tiny_study, read_table(table(tmp_path / "t.csv", rows)))
    assert found.numbers("N").tolist() == [run.N for run in tiny_study.runs()]


def test_another_D_or_learning_rate_is_another_run(tiny_study: Study, tmp_path: Path) -> None:
    first, second, third = tiny_study.runs()
    rows = [
        row(first, D=first.training.D / 2, peak_lr=first.training.lr),
        row(second, D=second.training.D, peak_lr=2 * second.training.lr),
        row(third, D=third.training.D * (1 + 1 / third.training.seq_len), peak_lr=third.training.lr),
    ]
    found = joined(tiny_study, read_table(table(tmp_path / "t.csv", rows)))
    assert found.frame["run_id"].tolist() == [third.run_id]
    reasons = [one.reason for one in found.dropped]
    assert reasons[0].startswith("D is ")
    assert reasons[1].startswith("lr is ")
    assert all("so it is another run" in reason for reason in reasons)


def test_a_validation_loss_with_the_balance_loss_is_refused_or_corrected(tiny_study: Study, tmp_path: Path) -> None:
    dense, moe, _ = tiny_study.runs()
    logged = [{"run_id": run.run_id, "eval_loss": 3.5} for run in (dense, moe)]
    found = joined(tiny_study, read_table(table(tmp_path / "t.csv", logged), {"loss": "eval_loss"}))
    assert found.frame["run_id"].tolist() == [dense.run_id]
    assert "holds the balance loss" in found.dropped[0].reason
    corrected = [{**one, "aux_loss": 2.0, "router_aux_loss_coef": 0.05} for one in logged]
    found = joined(tiny_study, read_table(table(tmp_path / "u.csv", corrected), {"loss": "eval_loss"}))
    assert found.frame.set_index("run_id")["loss"].to_dict() == pytest.approx({dense.run_id: 3.5, moe.run_id: 3.4})
    assert "was taken out" in found.remarks[-1]


def test_the_log_of_an_exported_trainer_comes_back_by_its_folder(tiny_study: Study, tmp_path: Path) -> None:
    """Its eval_ce is the cross entropy, so nothing is refused; N comes from the plan."""
    folders = export_runs(tiny_study.runs(), "hf").write(tmp_path / "hf")
    for folder in folders:
        last = {"eval_loss": 3.25, "eval_ce": 3.25, "step": 40}
        (folder / "out").mkdir()
        state = {"log_history": [last], "global_step": 40, "max_steps": 40}
        (folder / "out" / "trainer_state.json").write_text(json.dumps(state))
    found = joined(tiny_study, read_table(tmp_path / "hf"))
    assert sorted(found.frame["run_id"]) == sorted(run.run_id for run in tiny_study.runs())
    assert set(found.frame["loss"]) == {3.25}
    assert sorted(found.numbers("N")) == sorted(run.N for run in tiny_study.runs())


def test_a_row_without_a_planned_run_is_one_sentence(tiny_study: Study, tmp_path: Path) -> None:
    nameless = read_table(table(tmp_path / "t.csv", [{"name": "my best run", "loss": 3.0}]))
    with pytest.raises(UsageError, match="no other column holds a run_id"):
        recognised(tiny_study, nameless)


def test_kept_runs_are_shown_as_trained_elsewhere(
    tiny_study: Study, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    runs = tiny_study.runs()
    export_runs(runs, "megatron").write(tiny_study.folder / "megatron")
    path = table(tmp_path / "t.csv", [row(run) for run in runs])
    for _ in range(2):  # a second time the records stand and are replaced
        assert cli.main(["fit", str(tiny_study.folder), "--runs", str(path), "--keep", "--bootstrap", "0"]) == cli.DONE
        assert f"kept: {len(runs)} records" in capsys.readouterr().out
    record = read_record(tiny_study, runs[0])
    assert record is not None
    assert record.is_elsewhere
    assert not has_weights(tiny_study, runs[0].run_id)
    cli.main(["report", str(tiny_study.folder)])
    text = (tiny_study.report / "report.md").read_text()
    assert text.count("trained elsewhere: megatron-core") == len(runs)
    assert cli.main(["export", str(tiny_study.folder), runs[0].run_id, "-o", str(tmp_path / "model")]) == cli.USAGE
    assert "has no checkpoint" in capsys.readouterr().err
