"""Two processes on a CPU equal one within rounding, and each continues checkpoints of the other."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jobs import machine
from jobs.execution import Execution
from jobs.record import read_record
from jobs.run import ranks
from jobs.sweep.cluster import Cluster
from jobs.sweep.submit import submit
from jobs.training import loop
from jobs.training.device import distributed
from planners import Router, RunSpec, Study, UsageError
from planners.records.files import read_jsonl

NAMES = ("study", "arm", "shape", "data", "recipe", "flops_convention", "target")
TWO = """
import json, sys
from jobs.execution import Execution
from jobs.training import loop
from jobs.training.device import distributed
from planners import RunSpec, Study
for folder, line, settings, stop in json.load(open(sys.argv[1])):
    spec = RunSpec.read(line, "test")
    try:
        loop.train(Study(folder), spec, execution=Execution(**settings), stop=lambda step: step == stop)
    except loop.Interrupted:
        pass
distributed.leave()
"""


def wider(study: Study, arm: int, router: Router) -> RunSpec:
    """Return a run of 8 steps with 8 sequences each."""
    spec = study.runs()[arm]
    training = replace(spec.training, batch_tokens=256, D=256 * 8)
    return RunSpec.build(**{name: getattr(spec, name) for name in NAMES}, router=router, training=training)


def curve(folder: Path, spec: RunSpec) -> list[float]:
    rows, _ = read_jsonl(Study(folder).run_folder(spec.run_id) / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(1, spec.training.steps + 1))
    return [row["loss"] for row in rows]


def train_by_two(tasks: list[tuple], tmp_path: Path) -> None:
    """Train on two processes that torchrun starts: (folder, run, execution, step to stop at) one after the other."""
    (tmp_path / "two.py").write_text(TWO)
    lines = [(str(folder), spec.to_line(), settings, stop) for folder, spec, settings, stop in tasks]
    (tmp_path / "tasks.json").write_text(json.dumps(lines))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run([*torchrun, "two.py", "tasks.json"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(machine.core_count() < 2, reason="needs two cores")
def test_two_processes_equal_one_and_continue_each_other(tiny_study: Study, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    for name in ("one", "copied", "divided", "parts", "shrinks", "grows"):
        (tmp_path / name).mkdir()
    dense, moe = wider(tiny_study, 0, Router()), wider(tiny_study, 2, Router(bias_rate=0.01, z_loss=0.001))
    alone: dict[str, list[float]] = {}
    losses = {}
    for spec in (dense, moe):  # what two processes see at once, one process sees in two parts
        losses[spec.run_id] = loop.train(Study(tmp_path / "one"), spec, execution=Execution(micro_batch=4)).loss
        alone[spec.run_id] = curve(tmp_path / "one", spec)
    with pytest.raises(loop.Interrupted):
        loop.train(Study(tmp_path / "grows"), moe, execution=Execution(micro_batch=4), stop=lambda step: step == 5)
    tasks = [
        (tmp_path / "copied", dense, {}, None),
        (tmp_path / "copied", moe, {"micro_batch": 4}, None),
        (tmp_path / "divided", moe, {"shard": True}, None),
        (tmp_path / "parts", dense, {"shard": True, "micro_batch": 2}, None),
        (tmp_path / "shrinks", dense, {}, 5),
        (tmp_path / "shrinks", moe, {"shard": True}, 3),
        (tmp_path / "grows", moe, {"shard": True, "recompute": True}, None),
    ]
    train_by_two(tasks, tmp_path)
    for spec in (dense, moe):
        loop.train(Study(tmp_path / "shrinks"), spec, execution=Execution(micro_batch=4))
    for folder in ("copied", "divided", "parts", "shrinks", "grows"):
        for spec in {"copied": (dense, moe), "shrinks": (dense, moe), "parts": (dense,)}.get(folder, (moe,)):
            record = read_record(Study(tmp_path / folder), spec)
            assert record is not None
            assert curve(tmp_path / folder, spec) == pytest.approx(alone[spec.run_id], rel=2e-5), folder
            assert record.loss == pytest.approx(losses[spec.run_id], rel=2e-5), folder
            assert ("split_batch" in record.flags) == (spec is moe)
            assert record.execution is not None
            assert record.execution.devices == (1 if folder == "shrinks" else 2)
            assert ("resumed" in record.flags) == (folder in ("shrinks", "grows"))


@pytest.mark.skipif(machine.core_count() < 2, reason="needs two cores")
def test_a_launched_run_stops_at_a_checkpoint_and_resumes_on_one_process(
    tiny_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    spec = wider(tiny_study, 0, Router())
    spec = RunSpec.build(
        **{name: getattr(spec, name) for name in (*NAMES, "router")}, training=replace(spec.training, D=256 * 4000)
    )
    tiny_study = _study_of(tmp_path / "long", spec)
    stopped = ranks.launch(tiny_study, spec, Execution(devices=2), stop=lambda step: step > 0)
    assert stopped is None
    names = [path.name for path in (tiny_study.run_folder(spec.run_id) / "checkpoint").iterdir()]
    assert len(names) == 1
    seen: list[int] = []
    with pytest.raises(loop.Interrupted):
        loop.train(tiny_study, spec, stop=lambda step: seen.append(step) or True)
    assert seen == [int(names[0][5:14]) + 1]


def _study_of(folder: Path, spec: RunSpec) -> Study:
    """Return a study folder whose plan is one run."""
    folder.mkdir()
    study = Study(folder)
    study.plan_path.write_text(json.dumps(spec.to_line()) + "\n")
    return study


def test_more_processes_than_devices_are_refused(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "visible_gpus", lambda: [0, 1])
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "0")
    for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"):
        monkeypatch.setenv(name, "3")
    with pytest.raises(UsageError, match=r"3 processes would share this machine, which has 2 GPUs; give --devices 2"):
        distributed.join()
    with pytest.raises(UsageError, match="3 processes"):
        submit(tiny_study, Cluster(execution=Execution(devices=3)))
    assert not tiny_study.cluster.exists()


@pytest.mark.parametrize(
    ("environment", "device"),
    [
        ({}, 0),
        ({"SLURM_LOCALID": "3"}, 0),  # of an interactive job, in which this process is alone
        ({"SLURM_LOCALID": "3", "SUBMITIT_EXECUTOR": "slurm"}, 3),  # runs that share a job take a GPU each
        ({"SLURM_LOCALID": "5", "SUBMITIT_EXECUTOR": "slurm"}, 1),
        ({"SLURM_LOCALID": "3", "SUBMITIT_EXECUTOR": "slurm", "LOCAL_RANK": "2"}, 2),
    ],
)
def test_each_process_uses_its_own_gpu(
    environment: dict[str, str], device: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert distributed.join().device == torch.device("cuda", device)
    assert taken == [torch.device("cuda", device)]


def test_a_batch_that_cannot_be_shared_is_refused(tiny_study: Study) -> None:
    from jobs.training.network.transformer import Transformer
    from jobs.training.step import Stepper

    spec = tiny_study.runs()[0]  # 2 sequences a batch
    three = distributed.Ranks(0, 1, torch.device("cpu"))
    three.size = 3
    with pytest.raises(UsageError, match="a batch of 2 sequences cannot be divided evenly among 3 processes"):
        Stepper(Transformer(spec.shape), spec, three, Execution())
