"""This machine: its visible GPUs, and how local workers divide them."""

import pytest

from jobs import machine
from jobs.machine import visible_gpus
from jobs.sweep.cluster import Cluster
from jobs.sweep.executors import gpus_of, local_workers
from planners import UsageError


def test_each_local_worker_gets_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert visible_gpus() == [2, 5]
    assert [gpus_of(index, Cluster(), visible_gpus()) for index in range(3)] == [[2], [5], [2]]
    assert gpus_of(0, Cluster(gpus_per_run=2), visible_gpus()) == [2, 5]
    assert [local_workers(Cluster(gpus_per_run=count), 9, 1) for count in (None, 1, 2)] == [2, 2, 1]
    assert gpus_of(0, Cluster(gpus_per_run=0), visible_gpus()) == []
    assert gpus_of(0, Cluster(), []) == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8932f937")
    with pytest.raises(UsageError, match="numbers"):
        visible_gpus()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert visible_gpus() == []


def test_places_are_gpus_or_cores_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "core_count", lambda: 8)
    monkeypatch.setattr(machine, "visible_gpus", lambda: [])
    assert (machine.places(1), machine.places(4), machine.places(16)) == (8, 2, 1)
    monkeypatch.setattr(machine, "visible_gpus", lambda: [0, 1, 2])
    assert (machine.places(1), machine.places(1, devices=2)) == (3, 1)
