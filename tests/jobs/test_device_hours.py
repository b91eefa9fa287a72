"""Device-hours: every attempt counts, with the devices that it had, those that were killed or came to nothing too."""

import json
import os

import pytest
from slurm_stand_in import record_of

from jobs.execution import Execution
from jobs.record import write_record
from jobs.run.attempts import attempt, path_of, read_attempts
from jobs.sweep.cluster import Cluster
from jobs.sweep.job_plan import decide
from jobs.sweep.submit import _worker
from planners import Study

HOUR = 3600.0


def write_attempts(study: Study, *rows: dict[str, object]) -> None:
    """Leave the lines of attempts at the first run."""
    folder = study.run_folder(study.runs()[0].run_id)
    folder.mkdir(parents=True, exist_ok=True)
    path_of(folder).write_text("".join(json.dumps(row) + "\n" for row in rows))


def hours(study: Study) -> float:
    return decide(study, Cluster()).device_s_used / HOUR


def started(devices: float | None) -> dict[str, object]:
    return {"event": "started", "D": 0, **({} if devices is None else {"devices": devices})}


def ended(hours: float, failure: str | None = None) -> dict[str, object]:
    return {"event": "ended", "failure": failure, "wall_s": hours * HOUR}


def test_an_interrupted_run_counts_on_all_its_devices(tiny_study: Study) -> None:
    write_attempts(tiny_study, started(8), ended(1))
    assert hours(tiny_study) == 8
    write_attempts(tiny_study, started(0.25), ended(1))  # four runs shared the device
    assert hours(tiny_study) == 0.25


def test_what_was_lost_counts_once_the_run_is_done_too(tiny_study: Study) -> None:
    write_attempts(tiny_study, started(2), ended(2, "exception"), started(1), ended(0.5))
    assert hours(tiny_study) == 4.5
    write_record(tiny_study, record_of(tiny_study.runs()[0], "failed", wall_s=60.0))
    assert hours(tiny_study) == 4.5
    write_record(tiny_study, record_of(tiny_study.runs()[0], "done", wall_s=0.5 * HOUR, execution=Execution(devices=1)))
    assert hours(tiny_study) == 4.5


def test_a_record_says_more_where_attempts_are_unknown(tiny_study: Study) -> None:
    write_record(tiny_study, record_of(tiny_study.runs()[0], "done", wall_s=HOUR, execution=Execution(devices=4)))
    assert hours(tiny_study) == 4
    write_attempts(tiny_study, started(None), ended(0.5))  # as before devices were kept
    assert hours(tiny_study) == 4


def test_a_killed_attempt_counts_up_to_its_last_sign_of_life(tiny_study: Study) -> None:
    spec = tiny_study.runs()[0]
    folder = tiny_study.run_folder(spec.run_id)
    write_attempts(tiny_study, started(2))
    (folder / "metrics.jsonl").touch()
    begun = path_of(folder).stat().st_mtime
    os.utime(folder / "metrics.jsonl", (begun + HOUR, begun + HOUR))
    assert hours(tiny_study) == pytest.approx(2)
    with attempt(tiny_study, spec, devices=3):  # writes it down: the files tell of another attempt from now on
        os.utime(folder / "metrics.jsonl")
    first, second = read_attempts(folder)
    assert first.wall_s == pytest.approx(HOUR)
    assert not first.ended
    assert (second.devices, second.ended) == (3, True)
    assert hours(tiny_study) == pytest.approx(2, abs=0.01)


def test_predicted_hours_of_a_shared_device_are_a_part_of_it(tiny_study: Study) -> None:
    alone, shared = (decide(tiny_study, Cluster(kind="debug", runs_per_gpu=count)) for count in (1, 4))
    assert shared.device_s == pytest.approx(alone.device_s / 4)
    cluster = Cluster(runs_per_gpu=4)
    worker = _worker(tiny_study, cluster, {}, "x")
    assert (worker.devices, worker.execution.runs_per_device) == (0.25, 4)
    assert _worker(tiny_study, Cluster(execution=Execution(devices=2)), {}, "x").devices == 2


def test_a_cap_sees_what_was_used(tiny_study: Study) -> None:
    write_attempts(tiny_study, started(8), ended(1))
    order = decide(tiny_study, Cluster(max_device_hours=7))
    assert order.run_ids == []
    assert "(8 are used)" in order.withheld[0]
