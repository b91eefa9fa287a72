"""What counts as in flight: workers and jobs, and not whoever looks at their files."""

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest
from slurm_stand_in import StandIn, begun, record_of

from jobs import snapshot
from jobs.processes import boot, command_line, host, processes_with
from jobs.record import write_record
from jobs.sweep import job_plan as ordering
from jobs.sweep.cluster import Cluster
from jobs.sweep.executors import least_used
from jobs.sweep.job_plan import decide
from jobs.sweep.ledger import Ledger, Submission, new_id, now
from jobs.sweep.status import status
from jobs.sweep.submit import cancel, sweep
from jobs.sweep.submitted import Alive, Flight, in_flight
from planners import Study
from planners.records.errors import warn


def local_submission(study: Study) -> Submission:
    """Return a submission of all runs to this machine, of which nothing is alive."""
    packs = (tuple(spec.run_id for spec in study.runs()),)
    where = {"host": host(), "boot": boot(), "pid": 2**22 + 1, "executor": "local"}
    return Submission(id=new_id(), time=now(), packs=packs, predicted_s=(1.0,), **where)  # type: ignore[arg-type]


def test_who_reads_a_log_is_no_worker(tiny_study: Study) -> None:
    submission = local_submission(tiny_study)
    Ledger(tiny_study).submitting(submission)
    Ledger(tiny_study).submitted(submission.id, [])
    log = tiny_study.cluster / submission.id / "1_0_log.err"
    log.parent.mkdir(parents=True)
    log.touch()
    reader = subprocess.Popen(["tail", "-f", str(log)], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while reader.pid not in processes_with(submission.id):  # its command line is not there at once
            assert time.monotonic() < deadline
        order = decide(tiny_study, Cluster())
        assert len(order.run_ids) == 3
        assert [run.state for run in order.statuses] == ["waiting"] * 3
        assert cancel(tiny_study) == (0, [])
        assert reader.poll() is None
    finally:
        reader.kill()
        reader.wait()


def alive(study: Study, monkeypatch: pytest.MonkeyPatch, pids: Sequence[int], n_runs: int = 1) -> None:
    """Let processes of this machine be at the first runs of a study."""
    taken = tuple(spec.run_id for spec in study.runs()[:n_runs])
    submission = replace(local_submission(study), packs=(taken,))
    one = Alive(submission=submission, jobs={str(pid): "running" for pid in pids}, packs=frozenset({0}))
    monkeypatch.setattr(ordering, "in_flight", lambda study: Flight(alive=(one,)))


def test_workers_that_are_at_work_leave_fewer_places(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    alive(tiny_study, monkeypatch, [7])
    order = decide(tiny_study, Cluster(parallel=2))
    assert (order.workers, len(order.run_ids)) == (1, 2)
    alive(tiny_study, monkeypatch, [7, 8])
    order = decide(tiny_study, Cluster(parallel=2, max_jobs=9))
    assert (order.workers, order.run_ids, order.is_full) == (0, [], False)
    assert order.withheld == ("2 runs wait for the 2 workers that are busy on this machine",)
    order = decide(tiny_study, Cluster(parallel=3, max_jobs=2))
    assert (order.workers, order.run_ids, order.is_full) == (0, [], True)
    assert "at most 2 jobs" in order.withheld[0]


def test_new_workers_get_the_gpus_that_are_least_used() -> None:
    busy = subprocess.Popen(["sleep", "60"], env={**os.environ, "CUDA_VISIBLE_DEVICES": "0,2"})
    try:
        deadline = time.monotonic() + 20
        while "sleep" not in (command_line(busy.pid) or ""):
            assert time.monotonic() < deadline
        assert least_used([0, 1, 2, 3], (busy.pid,)) == [1, 3, 0, 2]
    finally:
        busy.kill()
        busy.wait()
    assert least_used([0, 1], (busy.pid,)) == [0, 1]


def test_only_what_a_job_has_begun_is_running(twelve: Study, slurm_stand_in: StandIn) -> None:
    """One job has a pack of twelve: those that an earlier job was killed in are not at work because this one is."""
    _, (one,) = sweep(twelve, Cluster(kind="slurm"))
    for spec in twelve.runs()[:4]:
        begun(twelve, spec, job="3_0")
    begun(twelve, twelve.runs()[5], job="11")
    slurm_stand_in.set("queue", f"11|{one.name}|RUNNING\n")
    states = [run.state for run in status(twelve, in_flight(twelve))]
    assert states == ["queued"] * 5 + ["running"] + ["queued"] * 6


def test_other_code_is_said_before_more_is_submitted(tiny_study: Study, capsys: pytest.CaptureFixture) -> None:
    first, second, third = tiny_study.runs()
    where = replace(record_of(first).environment, code="other", commit="abc")
    write_record(tiny_study, record_of(first, environment=replace(where, code=snapshot.code())))
    decide(tiny_study, Cluster())
    assert capsys.readouterr().err == ""
    write_record(tiny_study, record_of(second, environment=where))
    decide(tiny_study, Cluster())
    assert "1 runs of this study were trained with other code than this (commit abc)" in capsys.readouterr().err
    write_record(tiny_study, record_of(third))
    warn.cache_clear()
    decide(tiny_study, Cluster())
    assert capsys.readouterr().err == ""  # nothing is left to submit
