"""The smoke study end to end, through submitit, as `make study PRESET=smoke` runs it."""

import csv
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.sweep.cluster import Cluster
from planners import Study, make_plan, preset
from planners.presets.laptop import LADDER, TUNED_AT
from planners.records.files import read_json
from scaling import cli, study


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("studies") / "smoke"
    done = subprocess.run(
        [sys.executable, "-m", "scaling.study", "smoke", "-o", str(folder)], capture_output=True, text=True
    )
    assert done.returncode == cli.DONE, done.stderr
    assert "report.html" in done.stdout
    return Study(folder)


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def rows(study: Study) -> dict[str, dict[str, str]]:
    with study.runs_csv.open(newline="") as file:
        return {row["arm"]: row for row in csv.DictReader(file)}


def test_every_arm_was_trained_on_equal_terms(smoke: Study) -> None:
    by_arm = rows(smoke)
    assert list(by_arm) == ["dense", "K1", "K4", "K16"]
    for row in by_arm.values():
        assert row["state"] == "done"
        assert 1.5 < float(row["loss"]) < 4.0
        assert float(row["C"]) == pytest.approx(1e11, rel=0.005)
        assert float(row["N"]) == pytest.approx(296e3, rel=0.01)
        assert row["D_seen"] == row["D"]
    assert by_arm["dense"]["routing.max_load"] == ""
    assert float(by_arm["K4"]["routing.max_load"]) >= 1
    assert (smoke.cluster).is_dir()  # it went through submitit


def test_the_fit_claims_no_optimum(smoke: Study) -> None:
    [fit] = read_json(smoke.fits / "fits.json")["fits"]
    assert (fit["n"], fit["dof"], fit["status"]) == (3, 0, "not_identified")
    assert fit["optimum"]["value"] is None
    report = (smoke.report / "report.md").read_text()
    assert "No optimum is claimed" in report
    assert "No optimum is claimed" in (smoke.report / "report.html").read_text()


def test_losses_on_the_page_are_those_of_runs_csv(smoke: Study) -> None:
    page = (smoke.report / "report.html").read_text()
    for row in rows(smoke).values():
        assert f"{float(row['loss']):.4f}" in page
        assert row["run_id"] in page + (smoke.report / "report.md").read_text()
    with (smoke.report / "tables" / "results.csv").open(newline="") as file:
        shown = [float(row["loss"]) for row in csv.DictReader(file)]
    assert shown == [float(row["loss"]) for row in rows(smoke).values()]


def test_a_second_call_trains_nothing_and_changes_nothing(smoke: Study, capsys: pytest.CaptureFixture) -> None:
    before = contents(smoke.folder)
    assert cli.main(["study", "smoke", "-o", str(smoke.folder)]) == cli.DONE
    assert contents(smoke.folder) == before
    capsys.readouterr()


def test_verbs_work_alone_on_it(smoke: Study, capsys: pytest.CaptureFixture, tmp_path: Path) -> None:
    folder = str(smoke.folder)
    assert cli.main(["sweep", folder, "--status", "--json"]) == cli.DONE
    assert json.loads(capsys.readouterr().out)["totals"]["done"] == 4
    assert cli.main(["train", folder, smoke.runs()[0].run_id[:6], "--json"]) == cli.DONE
    assert json.loads(capsys.readouterr().out)["loss"] == float(rows(smoke)["dense"]["loss"])
    assert cli.main(["fit", "--runs", str(smoke.runs_csv), "--json", "-o", str(tmp_path)]) == cli.DONE
    assert json.loads(capsys.readouterr().out)["fits"][0]["law"] == "quadratic"
    assert cli.main(["report", folder, "-o", str(tmp_path / "report"), "--json"]) == cli.DONE
    shown = json.loads(capsys.readouterr().out)
    assert set(shown) == {"answer", "checks", "files"}
    html = (tmp_path / "report" / "report.html").read_text()
    assert not re.search(r"""(src|href)=["']?https?://(?!arxiv\.org)""", html)
    assert "<script" not in html


def test_a_study_continues_with_its_own_budget(tmp_path: Path) -> None:
    """A folder of another rung, or of `--budget`, keeps its runs and their ids."""
    flags = study.arguments().parse_args(["laptop"])
    asked = replace(preset("laptop"), data=None)
    assert study.question(asked, Study(tmp_path / "new"), flags).budgets == (TUNED_AT,)
    held = replace(asked, budgets=(5e11,))
    Study(tmp_path / "held").write(make_plan(held))
    again = study.question(asked, Study(tmp_path / "held"), flags)
    assert again.budgets == (5e11,)
    assert Study(tmp_path / "held").holds(again)


def test_rungs_are_one_preset_with_different_runs() -> None:
    ids = [{run.run_id for run in make_plan(replace(preset("laptop"), budgets=(C,), data=None)).runs} for C in LADDER]
    assert len(set.union(*ids)) == sum(map(len, ids)) == 3 * 27


def test_a_wrong_budget_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert cli.main(["study", "laptop", "--budget", "x", "-o", str(tmp_path / "s")]) == cli.USAGE
    assert "--budget" in capsys.readouterr().err


def test_the_expected_time_is_an_estimate_of_the_runs_to_come(tiny_study: Study) -> None:
    said = study.expected_time(tiny_study, Cluster(parallel=1, flops_per_s=1e9))
    assert f"training {len(tiny_study.runs())} runs" in said
    assert "an estimate" in said
    assert "as given" in said
    assert "--budget changes it" in said


def test_an_interrupt_stops_at_a_checkpoint_and_the_next_call_continues(tmp_path: Path) -> None:
    import signal
    import time

    folder = tmp_path / "smoke"
    command = [sys.executable, "-m", "scaling.study", "smoke", "-o", str(folder)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # tests may run with it ignored
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list(folder.glob("runs/*/metrics.jsonl")) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1.5)
    os.killpg(process.pid, signal.SIGINT)  # what Ctrl-C does: the whole foreground group
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "continues" in error
    assert "Traceback" not in error
    assert list(folder.glob("runs/*/checkpoint/*.pt"))
    assert not list(folder.glob("runs/*/record.json"))
    assert cli.main(["sweep", str(folder), "--status"]) == cli.GAPS
