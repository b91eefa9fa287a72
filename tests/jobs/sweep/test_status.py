"""Status of runs: device-hours, and which runs count as running."""

import json
import os

import pytest
from made_runs import begun, record_of
from slurm_stand_in import StandIn

from jobs.execution import Execution
from jobs.record import write_record
from jobs.run.attempts import attempt, path_of, read_attempts
from jobs.sweep.cluster import Cluster
from jobs.sweep.job_plan import plan_jobs
from jobs.sweep.status import status
from jobs.sweep.submit import submit
from jobs.sweep.submitted import submitted_jobs
from planners import Study

HOUR = 3600.0


def write_attempts(study: Study, *rows: dict[str, object]) -> None:
    """Write the attempts of the first run."""
    folder = study.run_folder(study.runs()[0].run_id)
    folder.mkdir(parents=True, exist_ok=True)
    path_of(folder).write_text("".join(json.dumps(row) + "\n" for row in rows))


def hours(study: Study) -> float:
    return plan_jobs(study, Cluster()).device_s_used / HOUR


def started(devices: float | None) -> dict[str, object]:
    return {"event": "started", "D": 0, **({} if devices is None else {"devices": devices})}


def ended(hours: float, failure: str | None = None) -> dict[str, object]:
    return {"event": "ended", "failure": failure, "wall_s": hours * HOUR}


def test_an_interrupted_run_counts_all_its_devices(tiny_study: Study) -> None:
    write_attempts(tiny_study, started(8), ended(1))
    assert hours(tiny_study) == 8
    write_attempts(tiny_study, started(0.25), ended(1))  # four runs shared the device
    assert hours(tiny_study) == 0.25


def test_failed_attempts_count_after_the_run_is_done_too(tiny_study: Study) -> None:
    write_attempts(tiny_study, started(2), ended(2, "exception"), started(1), ended(0.5))
    assert hours(tiny_study) == 4.5
    write_record(tiny_study, record_of(tiny_study.runs()[0], "failed", wall_s=60.0))
    assert hours(tiny_study) == 4.5
    write_record(tiny_study, record_of(tiny_study.runs()[0], "done", wall_s=0.5 * HOUR, execution=Execution(devices=1)))
    assert hours(tiny_study) == 4.5


def test_without_attempts_the_record_gives_the_device_hours(tiny_study: Study) -> None:
    write_record(tiny_study, record_of(tiny_study.runs()[0], "done", wall_s=HOUR, execution=Execution(devices=4)))
    assert hours(tiny_study) == 4
    write_attempts(tiny_study, started(None), ended(0.5))  # as older versions wrote it
    assert hours(tiny_study) == 4


def test_a_killed_attempt_counts_up_to_its_last_sign_of_life(tiny_study: Study) -> None:
    spec = tiny_study.runs()[0]
    folder = tiny_study.run_folder(spec.run_id)
    write_attempts(tiny_study, started(2))
    (folder / "metrics.jsonl").touch()
    begun = path_of(folder).stat().st_mtime
    os.utime(folder / "metrics.jsonl", (begun + HOUR, begun + HOUR))
    assert hours(tiny_study) == pytest.approx(2)
    with attempt(tiny_study, spec, devices=3):  # writes the time of the first: now the files tell of the second
        os.utime(folder / "metrics.jsonl")
    first, second = read_attempts(folder)
    assert first.wall_s == pytest.approx(HOUR)
    assert not first.ended
    assert (second.devices, second.ended) == (3, True)
    assert hours(tiny_study) == pytest.approx(2, abs=0.01)


def test_the_cap_on_device_hours_includes_used_ones(tiny_study: Study) -> None:
    write_attempts(tiny_study, started(8), ended(1))
    plan = plan_jobs(tiny_study, Cluster(max_device_hours=7))
    assert plan.run_ids == []
    assert "(8 are used)" in plan.withheld[0]


def test_only_runs_that_the_job_has_started_are_running(twelve: Study, slurm_stand_in: StandIn) -> None:
    """A running job has twelve runs in its pack. Runs whose attempts an earlier job left behind are not running."""
    _, (one,) = submit(twelve, Cluster(kind="slurm"))
    for spec in twelve.runs()[:4]:
        begun(twelve, spec, job="3_0")
    begun(twelve, twelve.runs()[5], job="11")
    slurm_stand_in.set("queue", f"11|{one.name}|RUNNING\n")
    states = [run.state for run in status(twelve, submitted_jobs(twelve))]
    assert states == ["queued"] * 5 + ["running"] + ["queued"] * 6
