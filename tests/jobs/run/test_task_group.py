"""Task groups: the first task announces runs to the others in order, and each task knows its place."""

import signal
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.execution import Execution
from jobs.run import ranks
from jobs.run.task_group import Rendezvous, TaskGroup, requeues_for_others, task_group
from planners import Study, UsageError

GROUP = TaskGroup(rank=0, size=4, local_rank=0, local_size=2)


def test_runs_are_announced_in_order(tmp_path: Path) -> None:
    first = replace(GROUP, path=tmp_path / "logs" / "7_0.group")
    told = [Rendezvous(run_id=name, host="n1", port=1000 + number) for number, name in enumerate("abc")]
    heard: list[Rendezvous] = []
    other = threading.Thread(target=lambda: heard.extend(replace(first, rank=1).announced()))
    other.start()
    for rendezvous in told:
        first.announce(rendezvous)
    first.announce(None)
    other.join(timeout=20)
    assert heard == told
    assert not any(first.is_broken(rendezvous) for rendezvous in told)
    replace(first, rank=3).mark_broken(told[1])
    assert [first.is_broken(rendezvous) for rendezvous in told] == [False, True, False]


def test_a_task_reads_its_place_from_slurm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert task_group(4) is None
    facts = {"JOB_ID": 9, "ARRAY_JOB_ID": 7, "ARRAY_TASK_ID": 2, "NTASKS": 4, "JOB_NUM_NODES": 2, "PROCID": 3}
    for name, value in {**facts, "LOCALID": 1, "NODEID": 1, "RESTART_COUNT": 5}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    monkeypatch.setenv("SUBMITIT_FOLDER", str(tmp_path))
    assert task_group(1) is None
    assert task_group(4) == TaskGroup(rank=3, size=4, local_rank=1, local_size=2, path=tmp_path / "7_2_5.group")
    with pytest.raises(UsageError, match="4 tasks, but its runs need 8 devices"):
        task_group(8)
    assert not requeues_for_others()
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert requeues_for_others()
    monkeypatch.setenv("SLURM_NTASKS", "1")
    assert task_group(4) is None
    assert not requeues_for_others()


def test_a_task_ends_its_process_when_the_first_task_fails(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its process may wait on the GPU for a peer that is gone, which only a kill ends."""
    group = TaskGroup(rank=1, size=2, local_rank=1, local_size=2, path=tmp_path / "7_0.group")
    met = Rendezvous(run_id="a", host="here", port=1)
    started = []

    def start(*_: object) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["sleep", "60"]))
        group.mark_broken(met)  # as the first task does
        return started[0]

    monkeypatch.setattr(ranks, "start", start)
    monkeypatch.setattr(ranks, "GRACE_S", 0.1)
    group.announce(met)
    group.announce(None)
    ranks.join(tiny_study, Execution(devices=2), group, stop=lambda: False)
    assert started[0].returncode == -signal.SIGKILL
