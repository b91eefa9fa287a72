"""Workers, locks, submission and status, through submitit's local and debug executors."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.record import collect, read_record
from jobs.status import last_line, status
from jobs.submit import Cluster, follow, submit, wanted
from jobs.worker import Worker, is_running, run_lock
from planners import Question, Study, UsageError, make_plan


def losses(study: Study) -> dict[str, float | None]:
    return {row["run_id"]: row["loss"] for row in collect(study)}


def sweep(study: Study, **cluster: object) -> None:
    runs = wanted(status(study), retry=False)
    follow(study, submit(study, runs, Cluster(**cluster)), runs, quiet=True)  # type: ignore[arg-type]


def test_local_and_debug_give_identical_losses(tiny_study: Study, tiny_question: Question, tmp_path: Path) -> None:
    from jobs.corpora import describe

    other = Study(tmp_path / "other")
    other.write(make_plan(tiny_question, describe(str(tiny_question.data))))
    sweep(tiny_study, kind="local", parallel=2)
    sweep(other, kind="debug")
    assert losses(tiny_study) == losses(other)
    assert len(losses(tiny_study)) == 3
    assert all(losses(other).values())


def test_a_second_sweep_has_nothing_to_do(tiny_study: Study) -> None:
    Worker(str(tiny_study.folder))([spec.run_id for spec in tiny_study.runs()])
    files = {path: path.read_bytes() for path in tiny_study.folder.rglob("*") if path.is_file()}
    assert wanted(status(tiny_study), retry=True) == []
    assert Worker(str(tiny_study.folder))([spec.run_id for spec in tiny_study.runs()]) == 0
    after = {path: path.read_bytes() for path in tiny_study.folder.rglob("*") if path.is_file()}
    changed = {path.name for path in files if after[path] != files[path]}
    assert changed <= {"lock"}
    assert set(after) == set(files)


def test_a_run_that_another_process_holds_is_left_alone(tiny_study: Study) -> None:
    spec = tiny_study.runs()[0]
    with run_lock(tiny_study.run_folder(spec.run_id)) as held:
        assert held
        # another open file is another holder, as another process would be
        with run_lock(tiny_study.run_folder(spec.run_id)) as again:
            assert not again
        assert is_running(tiny_study.run_folder(spec.run_id))
        assert Worker(str(tiny_study.folder))([spec.run_id]) == 0
    assert not is_running(tiny_study.run_folder(spec.run_id))
    assert read_record(tiny_study, spec) is None


def test_looking_does_not_keep_a_worker_from_its_run(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    with open(tmp_path / "lock") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        import threading

        threading.Timer(0.01, lambda: fcntl.flock(file, fcntl.LOCK_UN)).start()
        with run_lock(tmp_path) as held:
            assert held


def test_a_failing_run_is_recorded_and_the_others_go_on(tiny_study: Study) -> None:
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
    assert wanted(status(tiny_study), retry=False) == []
    (folder / "metrics.jsonl").rmdir()
    runs = wanted(status(tiny_study), retry=True)
    assert [run.spec.run_id for run in runs] == [specs[0].run_id]
    follow(tiny_study, submit(tiny_study, runs, Cluster(kind="debug")), runs, quiet=True)
    assert [run.state for run in status(tiny_study)] == ["done"] * 3


def test_a_killed_worker_loses_nothing(tiny_question: Question, tmp_path: Path) -> None:
    """kill -9 in the middle of a run: the next call continues, and the loss is the undisturbed run's exactly."""
    from jobs.corpora import describe

    plan = make_plan(replace(tiny_question, budgets=(6e9,), top_ks=(2,)), describe(str(tiny_question.data)))
    disturbed, calm = Study(tmp_path / "disturbed"), Study(tmp_path / "calm")
    for study in (disturbed, calm):
        study.write(plan)
    (run_id,) = [spec.run_id for spec in plan.runs]
    code = f"from jobs.worker import Worker; Worker({str(disturbed.folder)!r})([{run_id!r}])"
    for wait_for in (3, 30):
        process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ})
        deadline = time.monotonic() + 120
        while len(_lines(disturbed, run_id)) < wait_for and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not is_running(disturbed.run_folder(run_id))
    assert not (disturbed.run_folder(run_id) / "record.json").exists()
    for study in (disturbed, calm):
        assert Worker(str(study.folder))([run_id]) == 1
    assert losses(disturbed) == losses(calm)


def _lines(study: Study, run_id: str) -> list[str]:
    path = study.run_folder(run_id) / "metrics.jsonl"
    return path.read_text().splitlines() if path.is_file() else []


def test_status_reads_progress_from_a_torn_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"D": 5, "loss": 1.0}) + "\n" + '{"D": 6, "lo')
    assert last_line(path) == {"D": 5, "loss": 1.0}
    assert last_line(tmp_path / "absent") == {}
    path.write_text("")
    assert last_line(path) == {}


def test_a_corrupt_record_is_one_sentence(tiny_study: Study) -> None:
    spec = tiny_study.runs()[0]
    path = tiny_study.run_folder(spec.run_id) / "record.json"
    path.parent.mkdir(parents=True)
    for content in ("{", "[]", '{"run_id": "x"}', json.dumps({"run_id": spec.run_id, "state": "done"})):
        path.write_text(content)
        with pytest.raises(UsageError, match=r"record\.json"):
            read_record(tiny_study, spec)


def test_bad_clusters_are_one_sentence(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="cloud"):
        Cluster(kind="cloud")
    with pytest.raises(UsageError, match="NAME=VALUE"):
        Cluster(slurm=("short",))
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="sbatch"):
        submit(tiny_study, status(tiny_study), Cluster(kind="slurm"))


def test_a_study_of_failures_alone_is_reported_as_such(tiny_study: Study, capsys: pytest.CaptureFixture) -> None:
    from scaling import cli

    folder = str(tiny_study.folder)
    for spec in tiny_study.runs():
        (tiny_study.run_folder(spec.run_id) / "metrics.jsonl").mkdir(parents=True)  # cannot be opened
    assert cli.main(["sweep", folder, "--go", "--cluster", "debug"]) == cli.GAPS
    shown = capsys.readouterr().out
    assert shown.count("failed: ") == 3
    assert "--retry" in shown
    assert cli.main(["fit", folder]) == cli.DONE
    assert cli.main(["report", folder]) == cli.GAPS
    assert "0 of 3 planned runs done" in capsys.readouterr().out


def test_a_full_disk_is_a_failed_run_that_continues_later(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from jobs.training import checkpoint

    specs = tiny_study.runs()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(checkpoint, "save", full)
        Worker(str(tiny_study.folder))([specs[0].run_id])
    record = read_record(tiny_study, specs[0])
    assert record is not None
    assert "No space left on device" in str(record.error)
    runs = wanted(status(tiny_study), retry=True)
    follow(tiny_study, submit(tiny_study, runs, Cluster(kind="debug")), runs, quiet=True)
    assert [run.state for run in status(tiny_study)] == ["done"] * 3
    capsys.readouterr()
