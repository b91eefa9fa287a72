"""Flags that say where jobs run: what wins, wrong flags, and a missing request for GPUs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_runs import replan

from jobs.sweep.cluster import Cluster
from planners import RunSpec, Study, UsageError
from scaling import cluster_flags, sweep
from scaling.cluster_flags import warn_without_gpus

FILE = """
cluster = "slurm"
account = "me"
setup = ["module load cuda"]
slurm = ["mem=8G"]
srun = ["--mpi=none"]
pack = 5
[short]
partition = "short"
timeout_min = 30
max_device_hours = 2
"""


@pytest.fixture
def user_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "cluster.toml"
    path.write_text(FILE)
    monkeypatch.setenv("SCALING_CLUSTER", str(path))
    return path


def cluster(*flags: str) -> cluster_flags.Cluster:
    return cluster_flags.cluster(sweep.arguments().parse_args(["study", *flags]))


def test_without_flags_and_file_the_defaults_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALING_CLUSTER", "")
    assert cluster() == Cluster()


def test_flags_win_over_the_profile_and_the_profile_over_common_keys(user_file: Path) -> None:
    plain = cluster()
    assert (plain.kind, plain.account, plain.partition, plain.pack) == ("slurm", "me", None, 5.0)
    short = cluster(
        "--profile", "short", "--timeout-min", "9", "--slurm", "exclusive=user", "--setup", "true", "--srun=-v"
    )
    assert (short.partition, short.timeout_min, short.max_device_hours) == ("short", 9, 2.0)
    assert (short.slurm, short.srun) == (("mem=8G", "exclusive=user"), ("--mpi=none", "-v"))
    assert short.setup == ("module load cuda", "true")
    assert cluster("--cluster", "local").kind == "local"  # Slurm settings of the file are unused here
    assert cluster("--pack", "0").pack == 0


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--partition", "x"], "--partition needs --cluster slurm, but the cluster is local"),
        (["--parallel", "0"], "--parallel"),
        (["--pack", "long"], "--pack"),
        (["--max-device-hours", "-1"], "--max-device-hours"),
        (["--cluster", "slurm", "--slurm", "mem="], "NAME=VALUE"),
        (["--runs-per-gpu", "2", "--devices", "2"], "--runs-per-gpu"),
    ],
)
def test_a_wrong_flag_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch, flags: list[str], says: str) -> None:
    monkeypatch.setenv("SCALING_CLUSTER", "")
    with pytest.raises(UsageError, match=says):
        cluster(*flags)


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
def test_a_missing_request_for_gpus_is_warned_of(
    settings: dict, warned: bool, precision: str, tiny_study: Study, capsys: pytest.CaptureFixture
) -> None:
    rows = [json.loads(line) for line in tiny_study.plan_path.read_text().splitlines()]
    plan = [RunSpec.read(row, "test") for row in rows]
    changed = [replaced(spec, precision) for spec in plan]
    replan(tiny_study, changed)
    warn_without_gpus(tiny_study, Cluster(**{"kind": "slurm", **settings}))
    assert ("no GPUs are requested" in capsys.readouterr().err) == (warned and precision == "bf16")


def replaced(spec: RunSpec, precision: str) -> RunSpec:
    names = ("study", "arm", "shape", "router", "data", "recipe", "flops_convention", "target")
    training = replace(spec.training, precision=precision)
    return RunSpec.build(**{name: getattr(spec, name) for name in names}, training=training)
