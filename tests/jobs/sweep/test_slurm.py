"""Sweeps on a real Slurm: whatever happens to the jobs, each run is trained once, to its undisturbed loss."""

import re
import subprocess

import pytest
from disturbed_sweep import Sweep, until
from made_runs import replan
from private_slurm import PrivateSlurm

from jobs.record import read_record
from scaling import cli


@pytest.mark.parametrize("slurm", ["plain", "accounting"], indirect=True)
def test_twelve_runs_on_two_nodes(slurm: PrivateSlurm, sweep: Sweep, capsys: pytest.CaptureFixture) -> None:
    assert sweep("--go", "--cluster", "slurm", "--parallel", "4", "--wait") == cli.DONE
    assert (sweep.check(), sweep.resumed()) == (0, 0)
    nodes = slurm.ask("scontrol", "show", "job", "-o")
    assert "NodeList=n1" in nodes
    assert "NodeList=n2" in nodes
    assert sweep("--go", "--cluster", "slurm") == cli.DONE
    assert "all 12 runs ended" in capsys.readouterr().out


def test_a_run_resumes_after_a_time_limit(slurm: PrivateSlurm, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is lowered in the middle of two runs, and Slurm signals the jobs at its next check."""
    monkeypatch.setenv("STEP_S", "1")
    assert sweep("--go", "--cluster", "slurm", "--parallel", "2") == cli.DONE
    until(lambda: len(begun(sweep)) == 2)
    set_limit(slurm, minutes=1)
    until(lambda: len(restarts(slurm)) == 2 and min(restarts(slurm)) > 0)
    set_limit(slurm, minutes=60)
    assert sweep("--go", "--cluster", "slurm", "--wait") == cli.DONE
    assert sweep.check() == 0
    assert sweep.resumed() >= 2


def begun(sweep: Sweep) -> set[str]:
    """Return the runs that have taken a step."""
    return {run_id for _, run_id, _ in sweep.events()}


def queue(slurm: PrivateSlurm) -> list[str]:
    """Return the ids of the jobs in the queue."""
    return slurm.ask("squeue", "-h", "-r", "-o", "%i").split()


def set_limit(slurm: PrivateSlurm, minutes: int) -> None:
    """Set the time limit of the jobs in the queue."""
    for job in queue(slurm):
        slurm.ask("scontrol", "update", f"JobId={job}", f"TimeLimit={minutes}")


def restarts(slurm: PrivateSlurm) -> list[int]:
    """Return how often each job in the queue was requeued."""
    shown = "".join(slurm.ask("scontrol", "show", "job", job, "-o") for job in queue(slurm))
    return [int(count) for count in re.findall(r"Restarts=(\d+)", shown)]


def test_preempted_jobs_resume_later(slurm: PrivateSlurm, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEP_S", "1")
    assert sweep("--go", "--cluster", "slurm", "--parallel", "2") == cli.DONE
    until(lambda: len(begun(sweep)) == 2)
    subprocess.run(["srun", "--partition=high", "--nodes=2", "--exclusive", "sleep", "1"], check=True)
    assert sweep("--go", "--cluster", "slurm", "--wait") == cli.DONE
    assert sweep.check() == 0
    assert sweep.resumed() >= 2


def test_a_task_group_trains_one_run(slurm: PrivateSlurm, sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tasks on two nodes, preempted once, train what one process trains, within rounding."""
    spec = sweep.study.runs()[0]
    replan(sweep.study, [spec])
    monkeypatch.setenv("STEP_S", "0.5")
    flags = ("--go", "--cluster", "slurm", "--devices", "2", "--nodes", "2")
    assert sweep(*flags) == cli.DONE
    until(lambda: begun(sweep))
    subprocess.run(["srun", "--partition=high", "--nodes=2", "--exclusive", "sleep", "1"], check=True)
    assert sweep(*flags, "--wait") == cli.DONE
    record = read_record(sweep.study, spec)
    assert record is not None
    assert record.execution is not None
    assert record.execution.devices == 2
    assert record.loss == pytest.approx(sweep.losses[spec.run_id], rel=2e-5)
    assert "resumed" in record.flags
    assert sweep.repeated(spec.run_id, spec.training.steps) == 0
