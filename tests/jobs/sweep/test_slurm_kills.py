"""make soak: sweeps on a real Slurm that loses workers, controller, accounting, sweep process or files."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from attacks import Totals, count_of
from disturbed_sweep import Sweep, until
from private_slurm import PrivateSlurm

from jobs.sweep.ledger import Ledger
from jobs.sweep.status import status
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


def test_chaos(slurm: PrivateSlurm, sweep: Sweep) -> None:
    """Random trouble while a sweep runs: every run is trained once, to its undisturbed loss."""
    totals, draw = Totals("Slurm chaos"), random.Random(len(slurm.conf.read_text()))
    allowed = (*GO, "--attempts", "99")
    assert sweep(*allowed) == cli.DONE
    for _ in range(count_of(54)):
        if not any(run.record is None for run in status(sweep.study)):
            break
        kind = draw.choice(["requeue", "scancel", "hold", "suspend", "node", "controller", "worker", "sweep", "cancel"])
        trouble(kind, slurm, sweep, draw)
        time.sleep(draw.uniform(0, 0.7))
        totals.add(kind, None if sweep(*allowed) in (cli.DONE, cli.GAPS) else "the sweep failed", kind)
    sweep("--cancel")  # Slurm may keep a job that ended while its controller was down
    assert sweep(*allowed, "--wait") == cli.DONE
    sweep.check()
    totals.close()


def trouble(kind: str, slurm: PrivateSlurm, sweep: Sweep, draw: random.Random) -> None:
    """Do one thing that goes wrong on a cluster, to a random job where it is about jobs."""
    jobs = slurm.ask("squeue", "-h", "-r", "-o", "%i").split()
    job = draw.choice(jobs) if jobs else "1"
    if kind in ("requeue", "hold", "suspend"):
        slurm.ask("scontrol", kind, job)
        if kind != "requeue":
            time.sleep(draw.uniform(0, 1))
            slurm.ask("scontrol", {"hold": "release", "suspend": "resume"}[kind], job)
    elif kind == "scancel":
        slurm.ask("scancel", job)
    elif kind == "node":
        slurm.ask("scontrol", "update", "nodename=n1", "state=down", "reason=test")
        time.sleep(draw.uniform(0, 1))
        slurm.ask("scontrol", "update", "nodename=n1", "state=resume")
    elif kind == "controller":
        slurm.kill_controller()
        slurm.start_controller()
    elif kind == "worker":
        for pid in workers_of(sweep.study.folder)[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    elif kind == "sweep":
        command = [sys.executable, "-m", "scaling.sweep", str(sweep.study.folder), *GO, "--attempts", "99"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(draw.uniform(0.2, 1.5))
        process.kill()
        process.wait()
    else:
        sweep("--cancel")
