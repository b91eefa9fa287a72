"""What a cluster is asked for: cores and GPUs of a job."""

import json
from dataclasses import replace

import pytest

from jobs.execution import Execution
from jobs.sweep.cluster import Cluster
from jobs.sweep.executors import CORES_OF_GPU, Needs, slurm_parameters
from jobs.sweep.ledger import Submission
from planners import RunSpec, Study, UsageError
from scaling.clusters import warn_without_gpus


@pytest.mark.parametrize(
    ("gpus", "given", "cores"),
    [(None, (), 1), (0, (), 1), (1, (), CORES_OF_GPU), (1, ("cpus-per-task=6",), 6), (None, ("cpus_per_task=2",), 2)],
)
def test_a_task_has_cores_for_what_it_does(gpus: int | None, given: tuple[str, ...], cores: int) -> None:
    cluster = Cluster(kind="slurm", gpus_per_run=gpus, slurm=given)
    submission = Submission(id="x", time="", host="", pid=1, executor="slurm", packs=(("a",),), predicted_s=(1.0,))
    asked = slurm_parameters(submission, cluster, Needs(threads=1))
    assert asked["cpus_per_task"] == cores
    assert asked["slurm_srun_args"] == [f"--cpus-per-task={cores}"]
    assert "cpus_per_task" not in asked["slurm_additional_parameters"]


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({}, True),
        ({"gpus_per_run": 0}, False),
        ({"gpus_per_run": 1}, False),
        ({"slurm": ("gres=gpu:1",)}, False),
        ({"kind": "local"}, False),
    ],
)
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_a_forgotten_gpu_is_asked_about(
    settings: dict, warned: bool, precision: str, tiny_study: Study, capsys: pytest.CaptureFixture
) -> None:
    rows = [json.loads(line) for line in tiny_study.plan_path.read_text().splitlines()]
    plan = [RunSpec.read(row, "test") for row in rows]
    changed = [replaced(spec, precision) for spec in plan]
    tiny_study.plan_path.write_text("".join(json.dumps(spec.to_line()) + "\n" for spec in changed))
    warn_without_gpus(tiny_study, Cluster(**{"kind": "slurm", **settings}))
    assert ("no GPUs are asked for" in capsys.readouterr().err) == (warned and precision == "bf16")


def replaced(spec: RunSpec, precision: str) -> RunSpec:
    names = ("study", "arm", "shape", "router", "data", "recipe", "flops_convention", "target")
    training = replace(spec.training, precision=precision)
    return RunSpec.build(**{name: getattr(spec, name) for name in names}, training=training)


def test_gpus_of_a_job_are_those_of_its_run() -> None:
    whole_node = Cluster(gpus_per_run=4, runs_per_gpu=4)  # given out whole
    assert (whole_node.devices_of_run, whole_node.executed.runs_per_device) == (1, 1)
    assert Cluster(gpus_per_run=2, runs_per_gpu=3).executed.runs_per_device == 2
    assert Cluster(gpus_per_run=1, runs_per_gpu=4).devices_of_run == 0.25
    assert Cluster(gpus_per_run=0, execution=Execution(devices=2)).devices_of_run == 2
    with pytest.raises(UsageError, match="a run on 4 devices cannot have 1 GPUs; give --gpus-per-run 4, or 0"):
        Cluster(gpus_per_run=1, execution=Execution(devices=4))
    with pytest.raises(UsageError, match="must be a number of cores"):
        Cluster(slurm=("cpus-per-task=many",))
