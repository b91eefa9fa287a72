"""The plan of jobs: places, caps, packs, and runs that wait for a parent."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from made_runs import child_of, local_submission, record_of, replan
from slurm_stand_in import StandIn

from jobs import snapshot
from jobs.execution import Execution
from jobs.record import read_record, write_record
from jobs.run.worker import Worker
from jobs.sweep import job_plan
from jobs.sweep.cluster import Cluster
from jobs.sweep.job_plan import plan_jobs
from jobs.sweep.submit import _worker
from jobs.sweep.submitted import LiveSubmission, SubmittedJobs
from planners import Study
from planners.records.errors import warn


def let_be_busy(study: Study, monkeypatch: pytest.MonkeyPatch, pids: Sequence[int]) -> None:
    """Let processes of this machine train the first run of a study."""
    submission = local_submission(study, n_runs=1)
    one = LiveSubmission(submission=submission, jobs={str(pid): "running" for pid in pids}, packs=frozenset({0}))
    monkeypatch.setattr(job_plan, "submitted_jobs", lambda study: SubmittedJobs(alive=(one,)))


def test_busy_workers_leave_fewer_places(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    let_be_busy(tiny_study, monkeypatch, [7])
    plan = plan_jobs(tiny_study, Cluster(parallel=2))
    assert (plan.workers, len(plan.run_ids)) == (1, 2)
    let_be_busy(tiny_study, monkeypatch, [7, 8])
    plan = plan_jobs(tiny_study, Cluster(parallel=2, max_jobs=9))
    assert (plan.workers, plan.run_ids, plan.is_full) == (0, [], False)
    assert plan.withheld == ("2 runs wait for the 2 workers that are busy on this machine",)
    plan = plan_jobs(tiny_study, Cluster(parallel=3, max_jobs=2))
    assert (plan.workers, plan.run_ids, plan.is_full) == (0, [], True)
    assert "the cap is 2 submitted jobs" in plan.withheld[0]


def test_a_plan_warns_of_runs_trained_with_other_code(tiny_study: Study, capsys: pytest.CaptureFixture) -> None:
    first, second, third = tiny_study.runs()
    where = replace(record_of(first).environment, code="other", commit="abc")
    write_record(tiny_study, record_of(first, environment=replace(where, code=snapshot.code())))
    plan_jobs(tiny_study, Cluster())
    assert capsys.readouterr().err == ""
    write_record(tiny_study, record_of(second, environment=where))
    plan_jobs(tiny_study, Cluster())
    assert "1 runs of this study were trained with other code than this (commit abc)" in capsys.readouterr().err
    write_record(tiny_study, record_of(third))
    warn.cache_clear()
    plan_jobs(tiny_study, Cluster())
    assert capsys.readouterr().err == ""  # nothing is left to submit


def test_a_run_on_a_shared_device_is_predicted_a_fraction_of_its_hours(tiny_study: Study) -> None:
    alone, shared = (plan_jobs(tiny_study, Cluster(kind="debug", runs_per_gpu=count)) for count in (1, 4))
    assert shared.device_s == pytest.approx(alone.device_s / 4)
    cluster = Cluster(runs_per_gpu=4)
    worker = _worker(tiny_study, cluster, {}, "x")
    assert (worker.devices, worker.execution.runs_per_device) == (0.25, 4)
    assert _worker(tiny_study, Cluster(execution=Execution(devices=2)), {}, "x").devices == 2


def test_small_runs_share_a_job_unless_parallel_asks_for_more_jobs(twelve: Study, slurm_stand_in: StandIn) -> None:
    packs = [array.packs for array in plan_jobs(twelve, Cluster(kind="slurm")).arrays]
    assert [[len(one) for one in array] for array in packs] == [[12]]
    packs = [array.packs for array in plan_jobs(twelve, Cluster(kind="slurm", parallel=4)).arrays]
    assert [sorted(map(len, array)) for array in packs] == [[3, 3, 3, 3]]


@pytest.mark.parametrize(("state", "flags"), [("diverged", ()), ("done", ("simulated",)), ("failed", ())])
def test_children_of_a_parent_without_weights_are_withheld(twelve: Study, state: str, flags: tuple[str, ...]) -> None:
    parent, other = twelve.runs()[:2]
    child = child_of(parent, other)
    replan(twelve, (parent, child))
    write_record(twelve, record_of(parent, state, flags=flags))
    plan = plan_jobs(twelve, Cluster())
    assert plan.run_ids == []
    assert "the weights of a run that has none" in plan.withheld[0]
    assert Worker(str(twelve.folder))([child.run_id]) == 0
    assert read_record(twelve, child) is None
    write_record(twelve, record_of(parent))
    assert plan_jobs(twelve, Cluster()).run_ids == [child.run_id]
