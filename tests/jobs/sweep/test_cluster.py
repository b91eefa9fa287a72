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


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("job-name=mine", "finds its jobs by it"),
        ("job_name=mine", "finds its jobs by it"),
        ("--array=0-3", "finds its jobs by it"),
        ("signal=TERM@60", "finds its jobs by it"),
        ("J=mine", "finds its jobs by it"),
        ("output=/somewhere", "logs and results"),
        ("error=/somewhere", "logs and results"),
        ("nodes=2", "--nodes"),
        ("ntasks-per-node=4", "--devices"),
        ("ntasks=4", "--devices"),
        ("time=10", "--timeout-min"),
        ("export=NONE", "environment"),
        ("srun_args=--container-image=x", "--srun"),
        ("cpus_per_task=²", "number of cores"),
        ("mem=16G\n#SBATCH --job-name=mine", "NAME=VALUE"),
        ("mem\n=16G", "NAME=VALUE"),
    ],
)
def test_options_that_the_sweep_sets_are_refused(option: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        Cluster(kind="slurm", slurm=(option,))


@pytest.mark.parametrize(
    ("option", "gpus"),
    [
        ("gres=gpu:a100:2", 2), ("gres=gpu", 1), ("gres=gpu:3,shard:2", 3), ("gpus=h100:4", 4), ("gpus-per-node=2", 2),
        ("gpus_per_task=a100", 1), ("tres-per-task=gres/gpu:a100:2", 2), ("tres_per_task=cpu:4,gres/gpu=1", 1),
        ("gres=bandwidth:4", 0), ("mem=8G", 0), ("exclusive", 0),
    ],
)  # fmt: skip
def test_gpus_in_options_count(option: str, gpus: int) -> None:
    cluster = Cluster(kind="slurm", slurm=(option,))
    assert cluster.gpus_of_job == gpus
    assert cluster.devices_of_job == max(1, gpus)


def test_wrong_settings_are_refused_in_one_sentence(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="cloud"):
        Cluster(kind="cloud")
    with pytest.raises(UsageError, match="must be a number of cores"):
        Cluster(slurm=("cpus-per-task=many",))
    with pytest.raises(UsageError, match="NAME=VALUE"):
        Cluster(slurm=("mem=",))
    with pytest.raises(UsageError, match="--slurm asks for 2"):
        Cluster(slurm=("gres=gpu:a100:2",), gpus_per_run=0)
    with pytest.raises(UsageError, match="does not begin with -"):
        Cluster(srun=("container-image=x",))
    monkeypatch.setenv("PATH", "/missing")
    with pytest.raises(UsageError, match="sbatch"):
        submit(tiny_study, Cluster(kind="slurm"))
    assert Ledger(tiny_study).read() == []
