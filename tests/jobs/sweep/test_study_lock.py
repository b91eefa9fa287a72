"""The lock of a study: who holds it, and what a dead holder leaves to the next sweep."""

import fcntl
import json
import os
import platform
import threading
import time
from pathlib import Path

import pytest
from slurm_stand_in import ONE_EACH, StandIn

from jobs.run.worker import Worker
from jobs.sweep import study_lock as lock, submit as submitting
from jobs.sweep.ledger import Ledger
from jobs.sweep.study_lock import study_lock
from planners import Study, UsageError
from scaling import cli

NEVER_PID = 2**22 + 1


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    set_times(monkeypatch, BEAT_S=0.05, STALE_S=0.3, WAIT_S=0.6)


def set_times(monkeypatch: pytest.MonkeyPatch, **seconds: float) -> None:
    for name, value in seconds.items():
        monkeypatch.setattr(lock, name, value)


def left_by(path: Path, host: str, pid: int, beat: int = 3) -> None:
    path.touch()
    with path.open("r+") as file:  # in place, as a holder writes it: the file is never empty
        file.write(json.dumps({"token": "old", "host": host, "pid": pid, "beat": beat}).ljust(lock.SIZE))


def test_one_process_holds_the_lock_and_the_next_one_says_that_it_waits(tmp_path: Path) -> None:
    told: list[str] = []
    path = tmp_path / "sweep.lock"
    with study_lock(path):
        with pytest.raises(UsageError, match="another sweep has held"), study_lock(path, told.append):
            pass
        assert f"process {os.getpid()} on {platform.node()}" in told[0]
    with study_lock(path, told.append):
        assert len(told) == 1
    assert path.read_bytes().strip() == b""  # the holder leaves an empty file


@pytest.mark.parametrize("content", [b"", b"{", b"\xff" * 300, b"[1]", b'{"host": 3}'])
def test_a_torn_or_foreign_file_does_not_hold_the_lock(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sweep.lock"
    path.write_bytes(content)
    with study_lock(path):
        assert json.loads(path.read_bytes()[: lock.SIZE])["pid"] == os.getpid()


def test_the_lock_of_a_dead_process_of_this_machine_is_taken_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_times(monkeypatch, STALE_S=30.0)
    path = tmp_path / "sweep.lock"
    left_by(path, platform.node(), NEVER_PID)
    start = time.monotonic()
    with study_lock(path):
        assert time.monotonic() - start < 15


def test_a_holder_on_another_machine_is_dead_if_its_file_does_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of a dead holder is taken, however new its file looks; a living one keeps it, however old it looks."""
    path = tmp_path / "sweep.lock"
    left_by(path, "elsewhere", 7)
    ahead = time.time() + 10**8
    os.utime(path, (ahead, ahead))
    with study_lock(path):
        pass
    left_by(path, "elsewhere", 7)
    stop = threading.Event()

    def beat() -> None:
        count = 0
        while not stop.wait(0.05):
            count += 1
            left_by(path, "elsewhere", 7, count)
            os.utime(path, (1, 1))

    living = threading.Thread(target=beat)
    living.start()
    try:
        with monkeypatch.context() as patient:
            set_times(patient, STALE_S=1.5, WAIT_S=0.1)
            with pytest.raises(UsageError, match="process 7 on elsewhere"):
                study_lock(path).__enter__()
    finally:
        stop.set()
        living.join()
    with study_lock(path):
        pass


def test_a_holder_that_lost_the_lock_stops_its_heartbeat(tmp_path: Path) -> None:
    path = tmp_path / "sweep.lock"
    with study_lock(path):
        left_by(path, "elsewhere", 7)
        time.sleep(0.3)
        assert json.loads(path.read_text())["host"] == "elsewhere"
    assert json.loads(path.read_text())["host"] == "elsewhere"


def test_a_failed_read_does_not_end_the_heartbeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sweep.lock"
    real, broken = Path.read_bytes, []

    def unreadable(self: Path) -> bytes:
        if self == path and len(broken) < 3:
            broken.append(self)
            raise OSError(116, "Stale file handle")
        return real(self)

    with study_lock(path) as check_held:
        monkeypatch.setattr(Path, "read_bytes", unreadable)
        deadline = time.monotonic() + 20
        while len(broken) < 3 or json.loads(real(path)[: lock.SIZE])["beat"] < 4:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        check_held()


@pytest.mark.parametrize("left", [False, True])
def test_a_lost_lock_is_noticed(tmp_path: Path, *, left: bool) -> None:
    path = tmp_path / "sweep.lock"
    with study_lock(path) as check_held:
        check_held()
        if left:  # another process took it and released it
            path.write_bytes(b" " * lock.SIZE)
        else:
            left_by(path, "elsewhere", 7)
        with pytest.raises(UsageError, match="took over"):
            check_held()


def test_a_sweep_that_lost_its_lock_submits_nothing(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch, slurm_stand_in: StandIn
) -> None:
    real = submitting.plan_jobs

    def held_up(study: Study, *arguments: object, **more: object) -> object:
        plan = real(study, *arguments, **more)  # type: ignore[arg-type]
        left_by(study.folder / "sweep.lock", "elsewhere", 7)
        return plan

    monkeypatch.setattr(submitting, "plan_jobs", held_up)
    with pytest.raises(UsageError, match="took over"):
        submitting.submit(tiny_study, ONE_EACH)
    assert slurm_stand_in.queue == []
    assert Ledger(tiny_study).read() == []


def test_a_file_system_without_flock_is_refused(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch, slurm_stand_in: StandIn, capsys: pytest.CaptureFixture
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    assert cli.main(["sweep", str(tiny_study.folder), "--go", "--cluster", "slurm"]) == cli.USAGE
    error = capsys.readouterr().err
    assert "does not support file locks" in error
    assert error.count("\n") == 1
    assert slurm_stand_in.queue == []
    assert Ledger(tiny_study).read() == []
    with pytest.raises(UsageError, match="does not support file locks"):  # on the machine of the job
        Worker(str(tiny_study.folder))([spec.run_id for spec in tiny_study.runs()])
    assert cli.main(["sweep", str(tiny_study.folder), "--status"]) == cli.GAPS
    assert cli.main(["sweep", str(tiny_study.folder), "--cancel"]) == cli.USAGE
