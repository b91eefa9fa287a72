"""make soak: sweeps on a real Slurm that loses workers, controller, accounting, sweep process or files."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from disturbed_sweep import Sweep, until
from private_slurm import PrivateSlurm

from jobs.sweep.ledger import Ledger
from scaling import cli

pytestmark = [pytest.mark.soak, pytest.mark.parametrize("slurm", ["plain", "accounting"], indirect=True)]
GO = ("--go", "--cluster", "slurm", "--parallel", "4")
KILLED_AT = """
import os, signal, sys
from jobs.sweep import executors, ledger
from scaling import cli
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
{point} = die
cli.main(["sweep", *sys.argv[1:]])
"""


@pytest.fixture(autouse=True)
def _slow_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEP_S", "0.1")
    monkeypatch.setenv("SCALING_CHECKPOINT_S", "0.5")


def workers_of(folder: Path) -> list[int]:
    """Return the processes of workers of a study's jobs."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if command.startswith(sys.executable.encode()) and str(folder).encode() in command:
            found.append(int(entry.name))
    return found


def begin(sweep: Sweep, *flags: str) -> None:
    """Submit, and wait until runs have checkpoints."""
    assert sweep(*GO, *flags) == cli.DONE
    until(lambda: sum(event == "save" for event, _, _ in sweep.events()) >= 2)


def end(sweep: Sweep) -> int:
    """Let the sweep come to its end and check it."""
    assert sweep(*GO, "--wait") == cli.DONE
    return sweep.check()


def test_a_worker_is_killed(slurm: PrivateSlurm, sweep: Sweep) -> None:
    begin(sweep)
    for pid in workers_of(sweep.study.folder)[:2]:
        os.kill(pid, signal.SIGKILL)
    end(sweep)
    assert sweep.resumed() >= 1


def test_the_controller_is_killed(slurm: PrivateSlurm, sweep: Sweep, capsys: pytest.CaptureFixture) -> None:
    begin(sweep)
    slurm.kill_controller()
    assert sweep("--status") == cli.GAPS
    before = len(Ledger(sweep.study).read())
    sweep(*GO)
    assert len(Ledger(sweep.study).read()) == before, "it submitted runs whose jobs may be alive"
    slurm.start_controller()
    end(sweep)


def test_the_accounting_is_killed(slurm: PrivateSlurm, sweep: Sweep) -> None:
    begin(sweep)
    if not slurm.accounting:
        pytest.skip("has none")
    slurm.kill_accounting()
    try:
        end(sweep)
    finally:
        slurm.start_accounting()


@pytest.mark.parametrize("point", ["executors.start_jobs", "ledger.Ledger.submitted"])
def test_the_sweep_is_killed_between_two_ledger_lines(slurm: PrivateSlurm, sweep: Sweep, point: str) -> None:
    code = KILLED_AT.format(point=point)
    killed = subprocess.run([sys.executable, "-c", code, str(sweep.study.folder), *GO], capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    (first,) = Ledger(sweep.study).read()
    assert first.jobs is None
    assert end(sweep) == 0
    submitted = 1 if point == "ledger.Ledger.submitted" else 2
    assert len(Ledger(sweep.study).read()) == submitted


def test_two_sweeps_at_once_submit_once(slurm: PrivateSlurm, sweep: Sweep) -> None:
    command = [sys.executable, "-m", "scaling.sweep", str(sweep.study.folder), *GO]
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in both] == [cli.DONE, cli.DONE]
    assert len(Ledger(sweep.study).read()) == 1
    assert end(sweep) == 0


def test_half_of_the_jobs_are_cancelled(slurm: PrivateSlurm, sweep: Sweep) -> None:
    begin(sweep)
    (first,) = Ledger(sweep.study).read()
    until(lambda: all(saved(sweep) & set(pack) for pack in first.packs))  # every job has a checkpoint to resume from
    jobs, before = slurm.ask("squeue", "-h", "-r", "-o", "%i").split(), saved(sweep)
    slurm.ask("scancel", *jobs[::2])
    until(lambda: not set(jobs[::2]) & set(slurm.ask("squeue", "-h", "-r", "-o", "%i").split()))
    end(sweep)
    _, second, *_ = Ledger(sweep.study).read()
    assert second.run_ids < first.run_ids
    assert second.run_ids & before
    assert sweep.resumed() >= 1


def saved(sweep: Sweep) -> set[str]:
    """Return the runs that have written a checkpoint."""
    return {run_id for event, run_id, _ in sweep.events() if event == "save"}


def test_the_cluster_folder_is_deleted(slurm: PrivateSlurm, sweep: Sweep) -> None:
    """Running jobs do not need it. The next sweep submits the runs of jobs that had not started."""
    begin(sweep, "--pack", "0")
    shutil.rmtree(sweep.study.cluster)
    begun = {run_id for _, run_id, _ in sweep.events()}
    until(lambda: not slurm.ask("squeue", "-h", "-o", "%i"))
    end(sweep)
    first, second = Ledger(sweep.study).read()
    assert len(first.run_ids) == 12
    assert second.run_ids
    assert second.run_ids.isdisjoint(begun)
    assert sweep.resumed() == 0
