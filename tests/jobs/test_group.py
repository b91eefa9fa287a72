"""Task groups: what the first task tells arrives at the others in its order, and each knows its place."""

import signal
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.execution import Execution
from jobs.run import ranks
from jobs.run.task_group import Group, Meeting, leads_others, task_group
from jobs.sweep.cluster import Cluster
from jobs.sweep.executors import Needs, slurm_parameters
from jobs.sweep.ledger import Submission
from planners import Study, UsageError

GROUP = Group(rank=0, size=4, local_rank=0, local_size=2)


def test_runs_are_told_in_their_order(tmp_path: Path) -> None:
    first = replace(GROUP, path=tmp_path / "logs" / "7_0.group")
    told = [Meeting(run_id=name, host="n1", port=1000 + number) for number, name in enumerate("abc")]
    heard: list[Meeting] = []
    other = threading.Thread(target=lambda: heard.extend(replace(first, rank=1).meetings()))
    other.start()
    for meeting in told:
        first.tell(meeting)
    first.tell(None)
    other.join(timeout=20)
    assert heard == told
    assert not any(first.is_broken(meeting) for meeting in told)
    replace(first, rank=3).tell_broken(told[1])
    assert [first.is_broken(meeting) for meeting in told] == [False, True, False]


def test_a_task_knows_its_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert task_group(4) is None
    facts = {"JOB_ID": 9, "ARRAY_JOB_ID": 7, "ARRAY_TASK_ID": 2, "NTASKS": 4, "JOB_NUM_NODES": 2, "PROCID": 3}
    for name, value in {**facts, "LOCALID": 1, "NODEID": 1, "RESTART_COUNT": 5}.items():
        monkeypatch.setenv(f"SLURM_{name}", str(value))
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    monkeypatch.setenv("SUBMITIT_FOLDER", str(tmp_path))
    assert task_group(1) is None
    assert task_group(4) == Group(rank=3, size=4, local_rank=1, local_size=2, path=tmp_path / "7_2_5.group")
    with pytest.raises(UsageError, match="4 tasks for runs on 8 devices"):
        task_group(8)
    assert not leads_others()
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert leads_others()
    monkeypatch.setenv("SLURM_NTASKS", "1")
    assert task_group(4) is None
    assert not leads_others()


def test_a_group_has_a_task_for_each_device() -> None:
    submission = Submission(id="x", time="", host="", pid=1, executor="slurm", packs=(("a",),), predicted_s=(1.0,))
    cluster = Cluster(kind="slurm", nodes=2, gpus_per_run=8, execution=Execution(devices=8))
    asked = slurm_parameters(submission, cluster, Needs(threads=3))
    assert (asked["nodes"], asked["tasks_per_node"], asked["cpus_per_task"], asked["gpus_per_node"]) == (2, 4, 4, 4)
    with pytest.raises(UsageError, match="8 devices cannot be spread evenly over 3 nodes"):
        replace(cluster, nodes=3)
    alone = slurm_parameters(submission, Cluster(kind="slurm", runs_per_gpu=3, gpus_per_run=1), Needs(threads=2))
    assert (alone["tasks_per_node"], alone["cpus_per_task"], alone["gpus_per_node"]) == (3, 2, 1)


def test_a_task_whose_first_one_failed_ends_its_process(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It may wait for the others in its GPU, where nobody hears that they are gone."""
    group = Group(rank=1, size=2, local_rank=1, local_size=2, path=tmp_path / "7_0.group")
    met = Meeting(run_id="a", host="here", port=1)
    started = []

    def start(*_: object) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["sleep", "60"]))
        group.tell_broken(met)  # by the first task
        return started[0]

    monkeypatch.setattr(ranks, "start", start)
    monkeypatch.setattr(ranks, "GRACE_S", 0.1)
    group.tell(met)
    group.tell(None)
    ranks.follow(tiny_study, Execution(devices=2), group, stop=lambda: False)
    assert started[0].returncode == -signal.SIGKILL
