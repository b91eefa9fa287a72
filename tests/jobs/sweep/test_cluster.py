"""Cluster settings: devices of jobs and runs, and wrong settings."""

import pytest

from jobs.execution import Execution
from jobs.sweep.cluster import Cluster
from jobs.sweep.ledger import Ledger
from jobs.sweep.submit import submit
from planners import Study, UsageError


def test_devices_of_a_job_and_of_a_run() -> None:
    whole_node = Cluster(gpus_per_run=4, runs_per_gpu=4)  # a partition that gives out whole nodes
    assert (whole_node.devices_of_run, whole_node.run_execution.runs_per_device) == (1, 1)
    assert Cluster(gpus_per_run=2, runs_per_gpu=3).run_execution.runs_per_device == 2
    assert Cluster(gpus_per_run=1, runs_per_gpu=4).devices_of_run == 0.25
    assert Cluster(gpus_per_run=0, execution=Execution(devices=2)).devices_of_run == 2
    with pytest.raises(UsageError, match="a run on 4 devices cannot have 1 GPUs; give --gpus-per-run 4, or 0"):
        Cluster(gpus_per_run=1, execution=Execution(devices=4))
    with pytest.raises(UsageError, match="8 devices cannot be divided evenly among 3 nodes"):
        Cluster(kind="slurm", nodes=3, execution=Execution(devices=8))
    with pytest.raises(UsageError, match="set runs_per_gpu only"):
        Cluster(execution=Execution(runs_per_device=2))


def test_wrong_settings_are_refused_in_one_sentence(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="cloud"):
        Cluster(kind="cloud")
    with pytest.raises(UsageError, match="must be a number of cores"):
        Cluster(slurm=("cpus-per-task=many",))
    with pytest.raises(UsageError, match="NAME=VALUE"):
        Cluster(slurm=("short",))
    monkeypatch.setenv("PATH", "/missing")
    with pytest.raises(UsageError, match="sbatch"):
        submit(tiny_study, Cluster(kind="slurm"))
    assert Ledger(tiny_study).read() == []
