"""Workers: which runs they train, how often they try, and what ends them."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from made_runs import end_runs_with

from jobs.record import collect, read_record
from jobs.run import worker
from jobs.run.attempts import path_of, read_attempts
from jobs.run.run_lock import is_running
from jobs.run.worker import Worker
from jobs.sweep.cluster import Cluster
from jobs.sweep.job_plan import plan_jobs
from jobs.sweep.status import status
from jobs.sweep.until_done import train_until_done
from planners import Question, RunSpec, Study, make_plan

GPU_FAILED = RuntimeError("CUDA error: an illegal memory access was encountered")
FULL = OSError(errno.ENOSPC, "No space left on device")


def one_run(study: Study) -> list[str]:
    return [study.runs()[0].run_id]


def test_a_lost_process_is_tried_again_within_the_limit(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = RuntimeError("Connection closed by peer")
    end_runs_with(monkeypatch, [gone, gone, "done"])
    assert Worker(str(tiny_study.folder), attempts=3, devices=0.5)(one_run(tiny_study)) == 1
    attempts = read_attempts(tiny_study.run_folder(one_run(tiny_study)[0]))
    assert [one.failure for one in attempts] == ["node_lost", "node_lost", None]
    assert [one.devices for one in attempts] == [0.5] * 3


def test_a_run_without_attempts_left_has_no_record(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    end_runs_with(monkeypatch, [RuntimeError("Connection closed by peer")] * 9)
    assert Worker(str(tiny_study.folder), attempts=2)(one_run(tiny_study)) == 0
    first = status(tiny_study)[0]
    assert (first.state, first.counted, first.failure) == ("waiting", 2, "node_lost")
    assert "has used its 2 attempts" in capsys.readouterr().err


def test_a_failed_run_is_tried_again_only_if_asked_and_only_once(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_runs_with(monkeypatch, ["exception", "out_of_memory", "done"])
    spec, runs = tiny_study.runs()[0], one_run(tiny_study)
    folder = tiny_study.run_folder(spec.run_id)
    assert Worker(str(tiny_study.folder))(runs) == 1
    assert Worker(str(tiny_study.folder))(runs) == 0
    assert Worker(str(tiny_study.folder), retry={spec.run_id: 1})(runs) == 1
    assert Worker(str(tiny_study.folder), retry={spec.run_id: 1})(runs) == 0  # as a requeued job would ask
    record = read_record(tiny_study, spec)
    assert record is not None
    assert record.failure == "out_of_memory"
    kept = [json.loads(line) for line in path_of(folder).read_text().splitlines()]
    assert [row["record"]["failure"] for row in kept if row["event"] == "retired"] == ["exception"]
    assert Worker(str(tiny_study.folder), retry={spec.run_id: 2})(runs) == 1
    assert status(tiny_study)[0].state == "done"


def test_a_worker_renames_a_half_written_record(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    end_runs_with(monkeypatch, ["done", "done"])
    runs = one_run(tiny_study)
    Worker(str(tiny_study.folder))(runs)
    path = tiny_study.run_folder(runs[0]) / "record.json"
    half = path.read_text()[:50]
    path.write_text(half)
    assert Worker(str(tiny_study.folder))(runs) == 1
    (aside,) = path.parent.glob("record.json.unreadable-*")
    assert aside.read_text() == half
    assert status(tiny_study)[0].state == "done"
    assert "trained again" in capsys.readouterr().err


def test_time_tells_a_time_limit_from_a_preemption(tiny_study: Study) -> None:
    early, late = Worker("x", limit_s=3600.0), Worker("x", limit_s=0.0)
    for one, failure in ((early, "preempted"), (late, "timeout"), (Worker("x"), "preempted")):
        one._stop(True)
        assert one._interrupted == failure
    asked_to_end = Worker("x", limit_s=0.0)
    asked_to_end._stop(False)
    assert asked_to_end._interrupted is None


@pytest.mark.parametrize(("error", "failure", "count"), [(GPU_FAILED, "node_lost", 1), (FULL, "disk_full", 0)])
def test_a_failed_gpu_or_full_disk_ends_the_worker_after_one_run(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch, error: Exception, failure: str, count: int
) -> None:
    runs = [spec.run_id for spec in tiny_study.runs()]
    end_runs_with(monkeypatch, [error])  # only one of three runs may be tried
    assert Worker(str(tiny_study.folder))(runs) == 0
    shown = status(tiny_study)
    assert [(run.state, run.failure, run.counted) for run in shown[1:]] == [("waiting", None, 0)] * 2
    assert (shown[0].state, shown[0].failure, shown[0].counted) == ("waiting", failure, count)
    end_runs_with(monkeypatch, ["done"] * 3)
    assert Worker(str(tiny_study.folder))(runs) == 3


def test_a_worker_that_cannot_write_an_attempt_ends(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def full(study: Study, spec: RunSpec, devices: float) -> None:
        tried.append(spec.run_id)
        raise FULL

    monkeypatch.setattr(worker, "attempt", full)
    assert Worker(str(tiny_study.folder))([spec.run_id for spec in tiny_study.runs()]) == 0
    assert len(tried) == 1


def losses(study: Study) -> dict[str, float | None]:
    return {row["run_id"]: row["loss"] for row in collect(study)}


def test_a_second_worker_has_nothing_to_do(tiny_study: Study) -> None:
    Worker(str(tiny_study.folder))([spec.run_id for spec in tiny_study.runs()])
    files = {path: path.read_bytes() for path in tiny_study.folder.rglob("*") if path.is_file()}
    assert plan_jobs(tiny_study, Cluster(), retry=True).run_ids == []
    assert Worker(str(tiny_study.folder))([spec.run_id for spec in tiny_study.runs()]) == 0
    after = {path: path.read_bytes() for path in tiny_study.folder.rglob("*") if path.is_file()}
    changed = {path.name for path in files if after[path] != files[path]}
    assert changed <= {"lock"}
    assert set(after) == set(files)


def test_a_failing_run_is_recorded_and_does_not_stop_the_others(tiny_study: Study) -> None:
    specs = tiny_study.runs()
    folder = tiny_study.run_folder(specs[0].run_id)
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").mkdir()  # cannot be opened
    assert Worker(str(tiny_study.folder))([spec.run_id for spec in specs]) == 3
    states = [run.state for run in status(tiny_study)]
    assert states == ["failed", "done", "done"]
    record = read_record(tiny_study, specs[0])
    assert record is not None
    assert "IsADirectoryError" in str(record.error)
    assert "Traceback" in (folder / "error.txt").read_text()
    assert record.failure == "exception"
    assert plan_jobs(tiny_study, Cluster()).run_ids == []
    (folder / "metrics.jsonl").rmdir()
    assert plan_jobs(tiny_study, Cluster(), retry=True).run_ids == [specs[0].run_id]
    train_until_done(tiny_study, Cluster(kind="debug"), retry=True)
    assert "IsADirectoryError" in (folder / "attempts.jsonl").read_text()  # the first failure is kept
    assert [run.state for run in status(tiny_study)] == ["done"] * 3


def test_a_killed_worker_loses_nothing(tiny_question: Question, tmp_path: Path) -> None:
    """After kill -9 in the middle of a run, the next call resumes it to the loss of an undisturbed run."""
    from jobs.corpora import describe

    plan = make_plan(
        replace(tiny_question, budgets=(1e10,), unique_tokens=50_000, top_ks=(2,)), describe(str(tiny_question.data))
    )
    disturbed, undisturbed = Study(tmp_path / "disturbed"), Study(tmp_path / "undisturbed")
    for study in (disturbed, undisturbed):
        study.write(plan)
    (run_id,) = [spec.run_id for spec in plan.runs]
    code = f"from jobs.run.worker import Worker; Worker({str(disturbed.folder)!r})([{run_id!r}])"
    checkpoints = disturbed.run_folder(run_id) / "checkpoint"
    for wait_for in (10, 40):
        process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "SCALING_CHECKPOINT_S": "0.02"})
        deadline = time.monotonic() + 120
        while len(_lines(disturbed, run_id)) < wait_for and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert list(checkpoints.glob("step-*.pt")), "it was killed before its first checkpoint"
    assert not is_running(disturbed.run_folder(run_id))
    assert not (disturbed.run_folder(run_id) / "record.json").exists()
    for study in (disturbed, undisturbed):
        assert Worker(str(study.folder))([run_id]) == 1
    record = read_record(disturbed, plan.runs[0])
    assert record is not None
    assert record.flags[0] == "resumed"
    assert losses(disturbed) == losses(undisturbed)


def _lines(study: Study, run_id: str) -> list[str]:
    path = study.run_folder(run_id) / "metrics.jsonl"
    return path.read_text().splitlines() if path.is_file() else []


@pytest.mark.parametrize("where", ["checkpoint", "record"])
def test_a_full_disk_leaves_the_run_to_the_next_sweep(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, where: str
) -> None:
    from jobs.training import checkpoint, loop

    specs = tiny_study.runs()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(*((checkpoint, "save") if where == "checkpoint" else (loop, "write_record")), full)
        assert Worker(str(tiny_study.folder))([specs[0].run_id]) == 0
    assert "No space left on device" in capsys.readouterr().err
    assert read_record(tiny_study, specs[0]) is None
    assert Worker(str(tiny_study.folder))([spec.run_id for spec in specs]) == 3
    assert [run.state for run in status(tiny_study)] == ["done"] * 3
