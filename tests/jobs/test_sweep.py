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

from jobs.machine import visible_gpus
from jobs.record import collect, read_record
from jobs.run.worker import Worker, is_running, run_lock
from jobs.sweep.cluster import Cluster
from jobs.sweep.executors import gpus_of, local_workers
from jobs.sweep.job_plan import decide
from jobs.sweep.ledger import Ledger
from jobs.sweep.status import status
from jobs.sweep.submit import sweep as submit
from jobs.sweep.until_done import train
from planners import Question, Study, UsageError, make_plan


def losses(study: Study) -> dict[str, float | None]:
    return {row["run_id"]: row["loss"] for row in collect(study)}


def sweep(study: Study, *, retry: bool = False, **cluster: object) -> None:
    train(study, Cluster(**cluster), retry=retry)  # type: ignore[arg-type]


def due(study: Study, *, retry: bool = False) -> list[str]:
    return decide(study, Cluster(), retry=retry).run_ids


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
    assert due(tiny_study, retry=True) == []
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
    assert record.failure == "exception"
    assert due(tiny_study) == []
    (folder / "metrics.jsonl").rmdir()
    assert due(tiny_study, retry=True) == [specs[0].run_id]
    sweep(tiny_study, retry=True, kind="debug")
    assert "IsADirectoryError" in (folder / "attempts.jsonl").read_text()  # what was retried is kept
    assert [run.state for run in status(tiny_study)] == ["done"] * 3


def test_a_killed_worker_loses_nothing(tiny_question: Question, tmp_path: Path) -> None:
    """kill -9 in the middle of a run: the next call continues, and the loss is the undisturbed run's exactly."""
    from jobs.corpora import describe

    plan = make_plan(
        replace(tiny_question, budgets=(1e10,), unique_tokens=50_000, top_ks=(2,)), describe(str(tiny_question.data))
    )
    disturbed, calm = Study(tmp_path / "disturbed"), Study(tmp_path / "calm")
    for study in (disturbed, calm):
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
    for study in (disturbed, calm):
        assert Worker(str(study.folder))([run_id]) == 1
    record = read_record(disturbed, plan.runs[0])
    assert record is not None
    assert record.flags[0] == "resumed"
    assert losses(disturbed) == losses(calm)


def _lines(study: Study, run_id: str) -> list[str]:
    path = study.run_folder(run_id) / "metrics.jsonl"
    return path.read_text().splitlines() if path.is_file() else []


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
        submit(tiny_study, Cluster(kind="slurm"))
    assert Ledger(tiny_study).read() == []


def test_a_study_of_failures_alone_is_reported_as_such(tiny_study: Study, capsys: pytest.CaptureFixture) -> None:
    from scaling import cli

    folder = str(tiny_study.folder)
    for spec in tiny_study.runs():
        (tiny_study.run_folder(spec.run_id) / "metrics.jsonl").mkdir(parents=True)  # cannot be opened
    assert cli.main(["sweep", folder, "--go", "--cluster", "debug"]) == cli.GAPS
    shown = capsys.readouterr().out
    assert shown.count("failed: ") == 3
    assert "--retry" in shown
    assert cli.main(["fit", folder]) == cli.GAPS
    assert cli.main(["report", folder]) == cli.GAPS
    assert "0 of 3 planned runs done" in capsys.readouterr().out


@pytest.mark.parametrize("where", ["checkpoint", "record"])
def test_a_full_disk_leaves_the_run_to_the_next_call(
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


def test_torch_says_that_the_disk_is_full(tmp_path: Path) -> None:
    from jobs.training import checkpoint

    class FullDisk:
        def write(self, data: bytes) -> int:
            raise OSError(28, "No space left on device")

        def flush(self) -> None:
            pass

    with pytest.raises(OSError, match="No space left"):
        checkpoint._write({"step": 1}, FullDisk())  # type: ignore[arg-type]


def test_the_end_of_a_job_is_no_failure_of_the_run(tiny_study: Study) -> None:
    """submitit raises this in the middle of a step when a job has met its time limit too often."""
    from submitit.core.utils import UncompletedJobError

    from jobs.run.worker import train_and_record

    spec = tiny_study.runs()[0]

    def ended(step: int) -> bool:
        raise UncompletedJobError("Job not requeued because: timed-out too many times.")

    with pytest.raises(UncompletedJobError):
        train_and_record(tiny_study, spec, stop=ended)
    assert read_record(tiny_study, spec) is None


def test_each_local_worker_sees_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert visible_gpus() == [2, 5]
    assert [gpus_of(index, Cluster(), visible_gpus()) for index in range(3)] == [[2], [5], [2]]
    assert gpus_of(0, Cluster(gpus_per_run=2), visible_gpus()) == [2, 5]
    assert [local_workers(Cluster(gpus_per_run=count), 9, 1) for count in (None, 1, 2)] == [2, 2, 1]
    assert gpus_of(0, Cluster(gpus_per_run=0), visible_gpus()) == []
    assert gpus_of(0, Cluster(), []) == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8932f937")
    with pytest.raises(UsageError, match="numbers"):
        visible_gpus()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []
