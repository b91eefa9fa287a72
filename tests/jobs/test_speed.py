"""The probe of the machine's speed: a number of tokens per second, or one sentence."""

from dataclasses import replace

import pytest

from jobs import machine, speed
from planners import UsageError, make_plan, preset


def test_two_probes_at_once_give_a_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "PROBE_S", 0.05)
    run = make_plan(replace(preset("smoke"), data=None)).runs[1]
    assert 10 < speed.measured_speed(run, 2) < 1e7


def test_a_probe_that_cannot_train_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed.sys, "executable", "/bin/false")
    run = make_plan(replace(preset("smoke"), data=None)).runs[1]
    with pytest.raises(UsageError, match=r"cannot be measured.*give --budget"):
        speed.measured_speed(run, 1)


def test_places_are_gpus_or_cores_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "core_count", lambda: 8)
    monkeypatch.setattr(machine, "visible_gpus", lambda: [])
    assert (machine.places(1), machine.places(4), machine.places(16)) == (8, 2, 1)
    monkeypatch.setattr(machine, "visible_gpus", lambda: [0, 1, 2])
    assert (machine.places(1), machine.places(1, devices=2)) == (3, 1)
