"""Workers of this machine: found again by whoever looks, stopped at a checkpoint, never started twice."""

import os
import signal
import time
from pathlib import Path

import pytest

from jobs.processes import processes_with
from jobs.sweep import follow as following
from jobs.sweep import submit as submitting
from jobs.sweep import until_done
from jobs.sweep.cluster import Cluster
from jobs.sweep.executors import stop
from jobs.sweep.job_plan import decide
from jobs.sweep.ledger import Ledger
from jobs.sweep.submit import cancel, sweep
from jobs.sweep.submitted import in_flight
from planners import Study
from scaling import cli


def sleeper(folder: Path) -> type:
    """Return a worker that trains nothing: it leaves a mark, and sleeps until it is asked to end."""

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
            sweep(tiny_study, two)
    try:
        assert sweep(tiny_study, two)[1] == []  # no second line in the ledger, but their processes carry its id
        until(lambda: len(list(tmp_path.glob("began-*"))) == 2)
        order = decide(tiny_study, two)
        assert [run.state for run in order.statuses] == ["queued"] * 3
        assert order.run_ids == []
        controllers, workers = [], [int(path.name[6:]) for path in tmp_path.glob("began-*")]
        (one,) = order.flight.alive
        controllers = [pid for pid in processes_with(one.submission.id) if pid not in workers]
        for pid in controllers:
            os.kill(pid, signal.SIGKILL)
        until(lambda: not set(controllers) & set(processes_with(one.submission.id)))
        assert decide(tiny_study, two).run_ids == []  # a worker outlives its controller
        assert cancel(tiny_study)[1] == []
        assert processes_with(one.submission.id) == []
        assert len(decide(tiny_study, two).run_ids) == 3
    finally:
        stop([one.submission for one in in_flight(tiny_study).alive])


def test_ctrl_c_stops_what_this_sweep_started(
    tiny_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(submitting, "Worker", sleeper(tmp_path))

    def interrupted(*_: object, **__: object) -> None:
        until(lambda: list(tmp_path.glob("began-*")))
        raise KeyboardInterrupt

    monkeypatch.setattr(until_done, "follow", interrupted)
    assert cli.main(["sweep", str(tiny_study.folder), "--go", "--parallel", "1"]) == 130
    (submission,) = Ledger(tiny_study).read()
    assert processes_with(submission.id) == []
    assert "the jobs go on" not in capsys.readouterr().err


def test_ctrl_c_of_wait_and_no_wait_leave_the_workers_at_work(
    tiny_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(submitting, "Worker", sleeper(tmp_path))
    monkeypatch.setattr(until_done, "follow", interrupted)
    command = ["sweep", str(tiny_study.folder), "--go", "--parallel", "1"]
    try:
        assert cli.main([*command, "--no-wait"]) == cli.DONE
        assert "submitted 3 runs in 1 jobs" in capsys.readouterr().out
        assert cli.main([*command, "--wait"]) == 130
        assert "the jobs go on" in capsys.readouterr().err
        (submission,) = Ledger(tiny_study).read()
        assert processes_with(submission.id)
    finally:
        stop([one.submission for one in in_flight(tiny_study).alive])


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_workers_that_die_at_once_end_the_sweep_with_their_log(
    tiny_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    class Broken:
        def __init__(self, *_: object, **__: object):
            pass

        def __call__(self, run_ids: list[str]) -> int:
            raise ValueError("the library is not installed here")

    monkeypatch.setattr(submitting, "Worker", Broken)
    monkeypatch.setitem(following.LOOK_S, "local", 0.2)
    assert cli.main(["sweep", str(tiny_study.folder), "--go", "--parallel", "1"]) == cli.GAPS
    shown = capsys.readouterr()
    assert "the library is not installed here" in shown.out
    assert len(Ledger(tiny_study).read()) == 1  # a second round would have gone on for ever
