"""Executors: workers of this machine are found, stopped at a checkpoint and not started twice; Slurm parameters."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from jobs.execution import Execution
from jobs.processes import command_line, processes_with
from jobs.sweep import submit as submitting, until_done, wait
from jobs.sweep.cluster import Cluster
from jobs.sweep.executors import CORES_OF_GPU, JobNeeds, least_used, slurm_parameters, stop_workers
from jobs.sweep.job_plan import plan_jobs
from jobs.sweep.ledger import Ledger, Submission
from jobs.sweep.submit import cancel, submit
from jobs.sweep.submitted import submitted_jobs
from planners import Study
from scaling import cli


def sleeper(folder: Path) -> type:
    """Return a worker that trains nothing: it creates a file, then sleeps until it is asked to end."""

    class Sleeper:
        def __init__(self, *_: object, **__: object):
            pass

        def __call__(self, run_ids: list[str]) -> int:
            import os
            import signal
            import sys
            import time

            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            (folder / f"began-{os.getpid()}").touch()
            time.sleep(120)
            return 0

    return Sleeper


def until(ready: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not ready():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_workers_are_found_again_and_stopped(
    tiny_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "Worker", sleeper(tmp_path))
    two = Cluster(parallel=2)

    def crash(*_: object) -> None:
        raise SystemExit(9)

    with monkeypatch.context() as broken:
        broken.setattr(Ledger, "submitted", crash)
        with pytest.raises(SystemExit):
            submit(tiny_study, two)
    try:
        assert submit(tiny_study, two)[1] == []  # the ledger has no second line, but the processes have the id
        until(lambda: len(list(tmp_path.glob("began-*"))) == 2)
        plan = plan_jobs(tiny_study, two)
        assert [run.state for run in plan.statuses] == ["queued"] * 3
        assert plan.run_ids == []
        controllers, workers = [], [int(path.name[6:]) for path in tmp_path.glob("began-*")]
        (one,) = plan.submitted.alive
        controllers = [pid for pid in processes_with(one.submission.id) if pid not in workers]
        for pid in controllers:
            os.kill(pid, signal.SIGKILL)
        until(lambda: not set(controllers) & set(processes_with(one.submission.id)))
        assert plan_jobs(tiny_study, two).run_ids == []  # a worker outlives its controller
        assert cancel(tiny_study)[1] == []
        assert processes_with(one.submission.id) == []
        assert len(plan_jobs(tiny_study, two).run_ids) == 3
    finally:
        stop_workers([one.submission for one in submitted_jobs(tiny_study).alive])


def test_ctrl_c_stops_the_workers_of_this_sweep(
    tiny_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(submitting, "Worker", sleeper(tmp_path))

    def interrupted(*_: object, **__: object) -> None:
        until(lambda: list(tmp_path.glob("began-*")))
        raise KeyboardInterrupt

    monkeypatch.setattr(until_done, "wait_for_runs", interrupted)
    assert cli.main(["sweep", str(tiny_study.folder), "--go", "--parallel", "1"]) == 130
    (submission,) = Ledger(tiny_study).read()
    assert processes_with(submission.id) == []
    assert "the jobs continue" not in capsys.readouterr().err


def test_ctrl_c_after_wait_and_no_wait_leaves_the_workers_running(
    tiny_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(submitting, "Worker", sleeper(tmp_path))
    monkeypatch.setattr(until_done, "wait_for_runs", interrupted)
    command = ["sweep", str(tiny_study.folder), "--go", "--parallel", "1"]
    try:
        assert cli.main([*command, "--no-wait"]) == cli.DONE
        assert "submitted 3 runs in 1 jobs" in capsys.readouterr().out
        assert cli.main([*command, "--wait"]) == 130
        assert "the jobs continue" in capsys.readouterr().err
        (submission,) = Ledger(tiny_study).read()
        assert processes_with(submission.id)
    finally:
        stop_workers([one.submission for one in submitted_jobs(tiny_study).alive])


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_workers_that_die_at_once_end_the_sweep_and_show_their_log(
    tiny_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    class Broken:
        def __init__(self, *_: object, **__: object):
            pass

        def __call__(self, run_ids: list[str]) -> int:
            raise ValueError("the library is not installed here")

    monkeypatch.setattr(submitting, "Worker", Broken)
    monkeypatch.setitem(wait.CHECK_S, "local", 0.2)
    assert cli.main(["sweep", str(tiny_study.folder), "--go", "--parallel", "1"]) == cli.GAPS
    shown = capsys.readouterr()
    assert "the library is not installed here" in shown.out
    assert len(Ledger(tiny_study).read()) == 1  # more rounds would never end


@pytest.mark.parametrize(
    ("gpus", "given", "cores"),
    [(None, (), 1), (0, (), 1), (1, (), CORES_OF_GPU), (1, ("cpus-per-task=6",), 6), (None, ("cpus_per_task=2",), 2)],
)
def test_a_task_gets_cores_for_its_threads_and_gpus(gpus: int | None, given: tuple[str, ...], cores: int) -> None:
    cluster = Cluster(kind="slurm", gpus_per_run=gpus, slurm=given)
    submission = Submission(id="x", time="", host="", pid=1, executor="slurm", packs=(("a",),), predicted_s=(1.0,))
    asked = slurm_parameters(submission, cluster, JobNeeds(threads=1))
    assert asked["cpus_per_task"] == cores
    assert asked["slurm_srun_args"] == [f"--cpus-per-task={cores}"]
    assert "cpus_per_task" not in asked["slurm_additional_parameters"]


def test_a_task_group_has_one_task_per_device() -> None:
    submission = Submission(id="x", time="", host="", pid=1, executor="slurm", packs=(("a",),), predicted_s=(1.0,))
    cluster = Cluster(kind="slurm", nodes=2, gpus_per_run=8, execution=Execution(devices=8))
    asked = slurm_parameters(submission, cluster, JobNeeds(threads=3))
    assert (asked["nodes"], asked["tasks_per_node"], asked["cpus_per_task"], asked["gpus_per_node"]) == (2, 4, 4, 4)
    alone = slurm_parameters(submission, Cluster(kind="slurm", runs_per_gpu=3, gpus_per_run=1), JobNeeds(threads=2))
    assert (alone["tasks_per_node"], alone["cpus_per_task"], alone["gpus_per_node"]) == (3, 2, 1)


def test_new_workers_get_the_least_used_gpus() -> None:
    busy = subprocess.Popen(["sleep", "60"], env={**os.environ, "CUDA_VISIBLE_DEVICES": "0,2"})
    try:
        deadline = time.monotonic() + 20
        while "sleep" not in (command_line(busy.pid) or ""):
            assert time.monotonic() < deadline
        assert least_used([0, 1, 2, 3], (busy.pid,)) == [1, 3, 0, 2]
    finally:
        busy.kill()
        busy.wait()
    assert least_used([0, 1], (busy.pid,)) == [0, 1]
