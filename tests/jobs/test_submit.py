"""Submitting on Slurm, with a stand-in that keeps a queue in a file: nothing twice, nothing lost, whatever fails.

The real Slurm is in test_slurm.py; here every answer of the scheduler can be made up.
"""

import json
import os
import shutil
import threading
from dataclasses import replace

import pytest
from slurm_stand_in import ONE_EACH, StandIn, begun, child_of, record_of

from jobs.record import read_record, write_record
from jobs.run.worker import Worker
from jobs.sweep import submit as submitting
from jobs.sweep.cluster import Cluster
from jobs.sweep.executors import CORES_OF_GPU
from jobs.sweep.job_plan import decide
from jobs.sweep.ledger import Ledger, Submission
from jobs.sweep.status import status
from jobs.sweep.submit import cancel, sweep
from jobs.sweep.submitted import in_flight
from planners import Study, UsageError
from scaling import cli


@pytest.fixture
def study(twelve: Study) -> Study:
    return twelve


def test_what_is_done_or_in_flight_is_not_submitted_again(study: Study, slurm_stand_in: StandIn) -> None:
    specs = study.runs()
    write_record(study, record_of(specs[0]))
    order, submitted = sweep(study, ONE_EACH)
    assert sorted(order.run_ids) == sorted(spec.run_id for spec in specs[1:])
    assert [len(one.jobs or ()) for one in submitted] == [5, 5, 1]  # arrays at the site's limit, of 6 with the zero
    assert len(slurm_stand_in.queue) == 11
    assert {name for _, name, _ in slurm_stand_in.queue} == {one.name for one in submitted}
    again, nothing = sweep(study, ONE_EACH)
    assert nothing == []
    assert again.run_ids == []
    assert [run.state for run in again.statuses] == ["done"] + ["queued"] * 11
    assert len(slurm_stand_in.queue) == 11
    before = (slurm_stand_in.folder / "asked").read_text().count("squeue")
    status(study, in_flight(study))
    assert (slurm_stand_in.folder / "asked").read_text().count("squeue") == before + 1  # one query, however many jobs
    shutil.rmtree(study.cluster)  # submitit's folder is never read
    assert sweep(study, ONE_EACH)[1] == []


def test_jobs_that_are_over_leave_their_runs_to_the_next_sweep(study: Study, slurm_stand_in: StandIn) -> None:
    specs = study.runs()
    _, (first, *_) = sweep(study, ONE_EACH)
    killed = first.packs[0][0]
    begun(study, next(spec for spec in specs if spec.run_id == killed), job="11_0")
    slurm_stand_in.set("accounts", f"11_0|{first.name}|OUT_OF_MEMORY\n11_1|{first.name}|COMPLETED\n11_2|other|FAILED\n")
    slurm_stand_in.unset("queue")
    shown = {run.spec.run_id: run for run in decide(study, ONE_EACH).statuses}
    assert (shown[killed].state, shown[killed].failure) == ("failed", "out_of_memory")
    order, _ = sweep(study, ONE_EACH)
    assert len(order.run_ids) == 11  # memory that does not suffice is a failure of the run: tried again if asked
    assert decide(study, ONE_EACH, retry=True).run_ids == [killed]
    assert Ledger(study).read()[0].states == {"11_0": "OUT_OF_MEMORY"}
    asked = (slurm_stand_in.folder / "asked").read_text()
    decide(study, ONE_EACH)  # what has landed is not asked for again
    assert (slurm_stand_in.folder / "asked").read_text().count("sacct") == asked.count("sacct")


@pytest.mark.parametrize("where", ["before sbatch", "after sbatch"])
def test_a_crash_between_the_lines_submits_nothing_twice(
    study: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise SystemExit(9)

    with monkeypatch.context() as broken:
        if where == "before sbatch":
            broken.setattr(submitting.executors, "start", crash)
        else:
            broken.setattr(Ledger, "submitted", crash)
        with pytest.raises(SystemExit):
            sweep(study, replace(ONE_EACH, parallel=2))
    taken = len(slurm_stand_in.queue)
    assert taken == (0 if where == "before sbatch" else 5)
    order, _ = sweep(study, ONE_EACH)
    assert len(order.run_ids) == 12 - taken
    assert len(slurm_stand_in.queue) == 12
    runs = [run_id for one in Ledger(study).read() if one.is_open for run_id in one.run_ids]
    assert len(runs) == len(set(runs)) == 12


def test_two_sweeps_at_once_submit_each_run_once(study: Study, slurm_stand_in: StandIn) -> None:
    sweeps = [threading.Thread(target=sweep, args=(study, ONE_EACH)) for _ in range(3)]
    for one in sweeps:
        one.start()
    for one in sweeps:
        one.join()
    assert len(slurm_stand_in.queue) == 12
    assert sum(one.jobs is not None for one in Ledger(study).read()) == 3  # three arrays, by one of them


def test_a_refusal_loses_nothing(study: Study, slurm_stand_in: StandIn) -> None:
    specs = study.runs()
    for spec in specs[1:]:
        write_record(study, record_of(spec))
    write_record(study, record_of(specs[0], "failed"))
    slurm_stand_in.set("refuse")
    with pytest.raises(UsageError, match="invalid partition"):
        sweep(study, ONE_EACH, retry=True)
    assert read_record(study, specs[0]) == record_of(specs[0], "failed")
    assert Ledger(study).read()[0].refused == "sbatch: error: invalid partition"
    assert sweep(study, ONE_EACH)[1] == []  # a failed run is trained again only where asked
    slurm_stand_in.unset("refuse")
    assert sweep(study, ONE_EACH, retry=True)[0].run_ids == [specs[0].run_id]
    assert sweep(study, ONE_EACH, retry=True)[1] == []
    assert read_record(study, specs[0]) is not None


def test_a_refusal_that_was_none_is_seen_in_the_queue(study: Study, slurm_stand_in: StandIn) -> None:
    slurm_stand_in.set("late")
    _, submitted = sweep(study, replace(ONE_EACH, pack=30))
    assert [job.id for job in submitted[0].jobs or ()] == ["11"]
    assert sweep(study, ONE_EACH)[1] == []


def test_without_an_answer_all_is_taken_to_be_in_flight(
    study: Study, slurm_stand_in: StandIn, capsys: pytest.CaptureFixture
) -> None:
    sweep(study, ONE_EACH)
    slurm_stand_in.unset("queue")
    slurm_stand_in.set("down")
    order, submitted = sweep(study, ONE_EACH)
    assert submitted == []
    assert {run.state for run in order.statuses} == {"queued"}
    assert "Unable to contact controller" in order.flight.unknown[0]
    assert cli.main(["sweep", str(study.folder), "--status"]) == cli.GAPS
    assert "Unable to contact controller" in capsys.readouterr().out
    slurm_stand_in.unset("down")
    assert len(sweep(study, ONE_EACH)[0].run_ids) == 12  # without accounting, which this stand-in lacks


def test_a_scheduler_that_is_down_is_not_said_to_have_been_asked(
    study: Study, slurm_stand_in: StandIn, capsys: pytest.CaptureFixture
) -> None:
    sweep(study, ONE_EACH)
    slurm_stand_in.set("down")
    assert cli.main(["sweep", str(study.folder), "--status"]) == cli.GAPS
    assert "waited for until it answers" in capsys.readouterr().out
    assert cli.main(["sweep", str(study.folder), "--cancel"]) == cli.GAPS
    shown = capsys.readouterr()
    assert "0 jobs were asked to end" in shown.out
    assert shown.err.count("Unable to contact controller") == 1
    assert "cancel again when it answers" in shown.err
    assert not any(one.cancelled or one.ended for one in Ledger(study).read())
    assert len(in_flight(study).run_ids) == 12


def test_jobs_of_a_cluster_can_be_given_up_where_there_is_no_slurm(
    study: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """A study folder that was taken from a cluster to another machine can be finished there."""
    sweep(study, ONE_EACH)
    monkeypatch.setenv("PATH", "/nowhere")
    assert cli.main(["sweep", str(study.folder), "--status"]) == cli.GAPS
    assert "no squeue on this machine); --cancel gives them up" in capsys.readouterr().out
    assert cli.main(["sweep", str(study.folder), "--cancel"]) == cli.GAPS
    shown = capsys.readouterr()
    assert "0 jobs were asked to end" in shown.out
    assert shown.err.count("they were given up") == 1
    assert all(one.cancelled for one in Ledger(study).read())
    assert len(decide(study, Cluster()).run_ids) == 12


def test_cancelling_ends_ours_alone(study: Study, slurm_stand_in: StandIn) -> None:
    slurm_stand_in.set("queue", "7|somebody-else|RUNNING\n")
    sweep(study, ONE_EACH)
    assert cancel(study) == (12, [])
    assert slurm_stand_in.queue == [["7", "somebody-else", "RUNNING"]]
    assert all(one.cancelled for one in Ledger(study).read())
    assert len(sweep(study, ONE_EACH)[0].run_ids) == 12


def test_small_runs_share_a_job_and_a_worker_count_is_kept(study: Study, slurm_stand_in: StandIn) -> None:
    packs = [array.packs for array in decide(study, Cluster(kind="slurm")).arrays]
    assert [[len(one) for one in array] for array in packs] == [[12]]
    packs = [array.packs for array in decide(study, Cluster(kind="slurm", parallel=4)).arrays]
    assert [sorted(map(len, array)) for array in packs] == [[3, 3, 3, 3]]


def test_a_parent_is_scheduled_first(study: Study, slurm_stand_in: StandIn) -> None:
    parent, other = study.runs()[:2]
    child = child_of(parent, other)
    grandchild = child_of(child, other, seed=8)
    study.plan_path.write_text("".join(json.dumps(spec.to_line()) + "\n" for spec in (grandchild, child, parent)))
    _, submitted = sweep(study, ONE_EACH)
    assert [one.packs for one in submitted] == [((spec.run_id,),) for spec in (parent, child, grandchild)]
    assert "--dependency=afterany:11:12" in (slurm_stand_in.folder / "script").read_text()
    (shared,) = decide(study, Cluster()).flight.alive[:1]
    assert shared.submission.packs[0][0] == parent.run_id
    slurm_stand_in.unset("queue")
    write_record(study, record_of(parent, "failed"))
    assert decide(study, ONE_EACH).run_ids == []
    assert "start from a run that failed" in decide(study, ONE_EACH).withheld[0]
    assert decide(study, ONE_EACH, retry=True).run_ids == [parent.run_id, child.run_id, grandchild.run_id]
    local = decide(study, Cluster(), retry=True).arrays[0].packs[0]
    assert local == (parent.run_id, child.run_id, grandchild.run_id)


@pytest.mark.parametrize(("state", "flags"), [("diverged", ()), ("done", ("simulated",)), ("failed", ())])
def test_a_parent_without_weights_keeps_its_children_waiting(study: Study, state: str, flags: tuple[str, ...]) -> None:
    parent, other = study.runs()[:2]
    child = child_of(parent, other)
    study.plan_path.write_text("".join(json.dumps(spec.to_line()) + "\n" for spec in (parent, child)))
    write_record(study, record_of(parent, state, flags=flags))
    order = decide(study, Cluster())
    assert order.run_ids == []
    assert "leaves no weights" in order.withheld[0]
    assert Worker(str(study.folder))([child.run_id]) == 0
    assert read_record(study, child) is None
    write_record(study, record_of(parent))
    assert decide(study, Cluster()).run_ids == [child.run_id]


CAPS = {
    "jobs": (["--max-jobs", "4", "--pack", "0"], 4, "at most 4 jobs may be in flight"),
    "hours": (["--max-device-hours", "0.01", "--flops-per-s", "1e8"], 5, "past 0.01 device-hours"),
    "attempts": (["--attempts", "2"], 11, "have had their 2 attempts"),
}


@pytest.mark.parametrize(("flags", "count", "says"), CAPS.values(), ids=CAPS)
def test_a_cap_stops_submission_and_says_so(
    study: Study, slurm_stand_in: StandIn, capsys: pytest.CaptureFixture, flags: list[str], count: int, says: str
) -> None:
    begun(study, study.runs()[3], times=2)
    command = ["sweep", str(study.folder), "--cluster", "slurm", *flags]
    assert cli.main([*command, "--json"]) == cli.GAPS
    dry = json.loads(capsys.readouterr().out)
    assert cli.main([*command, "--go"]) == cli.GAPS
    assert says in capsys.readouterr().out
    taken = [run_id for one in Ledger(study).read() for run_id in one.run_ids]
    assert len(taken) == len(set(taken)) == sum(len(job["runs"]) for job in dry["jobs"]) == count
    assert says in dry["totals"]["withheld"][0]


def test_options_reach_sbatch_and_a_surrounding_job_does_not(
    study: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_NTASKS", "SLURM_MEM_PER_NODE", "RANK", "WORLD_SIZE", "SUBMITIT_EXECUTOR"):
        monkeypatch.setenv(name, "3")
    monkeypatch.setenv("SLURM_CONF", "/etc/conf")
    cluster = Cluster(
        kind="slurm",
        parallel=2,
        gpus_per_run=1,
        timeout_min=7,
        partition="short",
        account="me",
        qos="low",
        constraint="a100",
        setup=("module load cuda",),
        slurm=("mem=3G",),
    )
    sweep(study, cluster)
    script = (slurm_stand_in.folder / "script").read_text()
    for option in ("partition=short", "account=me", "qos=low", "constraint=a100", "mem=3G", "gpus-per-node=1"):
        assert f"--{option}\n" in script
    for option in ("time=7", "array=0-1%2", f"cpus-per-task={CORES_OF_GPU}", "requeue"):
        assert f"--{option}\n" in script
    assert f"--cpus-per-task={CORES_OF_GPU} " in script[script.index("srun") :]
    assert script.index("module load cuda") < script.index("srun")
    environment = (slurm_stand_in.folder / "environment").read_text().splitlines()
    assert "SLURM_CONF=/etc/conf" in environment
    assert not [line for line in environment if line.startswith(("SLURM_JOB", "SLURM_N", "SLURM_MEM", "RANK", "WORLD"))]
    assert os.environ["SLURM_JOB_ID"] == "3"


def test_processes_of_another_machine_are_in_flight_until_given_up(study: Study) -> None:
    ids = tuple(spec.run_id for spec in study.runs())
    there = Submission(
        id="x", time="2031-01-01T00:00:00Z", host="elsewhere", pid=1, executor="local", packs=(ids,), predicted_s=(1.0,)
    )
    Ledger(study).submitting(there)  # by a clock that is years ahead, which nothing is concluded from
    order = decide(study, Cluster())
    assert order.run_ids == []
    assert "elsewhere cannot be asked" in order.flight.unknown[0]
    count, troubles = cancel(study)
    assert count == 0  # nothing of it could be asked
    assert "given up" in troubles[0]
    assert len(decide(study, Cluster()).run_ids) == 12


def test_nothing_can_be_written_but_all_can_be_seen(
    study: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """A read-only file system, played by the error that it gives (root may write where others may not)."""
    sweep(study, ONE_EACH)
    files = {path: path.read_bytes() for path in study.folder.rglob("*") if path.is_file()}
    real = os.open

    def read_only(path: object, flags: int, *rest: int, **more: object) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR) and str(study.folder) in str(path):
            raise OSError(30, "Read-only file system", str(path))
        return real(path, flags, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", read_only)
    assert cli.main(["sweep", str(study.folder), "--status"]) == cli.GAPS
    assert capsys.readouterr().out.count(" queued ") == 12
    for flag in ("--go", "--cancel"):
        assert cli.main(["sweep", str(study.folder), flag]) == cli.USAGE
        error = capsys.readouterr().err
        assert "Read-only file system" in error
        assert error.count("\n") == 1
    assert {path: path.read_bytes() for path in study.folder.rglob("*") if path.is_file()} == files


def test_a_half_written_record_counts_as_none(study: Study, capsys: pytest.CaptureFixture) -> None:
    spec = study.runs()[0]
    write_record(study, record_of(spec))
    path = study.run_folder(spec.run_id) / "record.json"
    path.write_text(path.read_text()[:100])
    assert cli.main(["sweep", str(study.folder), "--status"]) == cli.GAPS
    shown = capsys.readouterr()
    assert "counts as not trained" in shown.err
    assert shown.out.count(" waiting ") == 12
    assert len(decide(study, Cluster()).run_ids) == 12


def test_ctrl_c_of_wait_leaves_the_jobs_running_and_says_so(
    study: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from jobs.sweep import until_done

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(until_done, "follow", interrupted)
    assert cli.main(["sweep", str(study.folder), "--go", "--wait", "--cluster", "slurm"]) == 130
    assert "the jobs go on" in capsys.readouterr().err
    assert len(slurm_stand_in.queue) == 1
    assert cli.main(["sweep", str(study.folder), "--go", "--wait", "--cluster", "slurm"]) == 130  # it attached to them
    assert len(slurm_stand_in.queue) == 1


def test_waiting_shows_a_table_and_ends_with_the_jobs(
    study: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """All runs come out, three at a time, while a sweep waits; their job is in the queue a little longer."""
    from jobs.sweep import follow as following

    specs = study.runs()
    monkeypatch.setattr(following, "POLL_S", 0.01)
    monkeypatch.setitem(following.LOOK_S, "slurm", 0.02)
    left = list(specs)

    def look(*arguments: object) -> object:
        if left:
            for spec in left[:3]:
                write_record(study, record_of(spec, "failed" if spec is specs[4] else "done"))
            del left[:3]
        elif (slurm_stand_in.folder / "queue").exists():
            slurm_stand_in.unset("queue")
        return real(*arguments)  # type: ignore[arg-type]

    real = following._look_at
    monkeypatch.setattr(following, "_look_at", look)
    monkeypatch.setattr("scaling.live_table.LOGGED_S", 0.0)
    assert cli.main(["sweep", str(study.folder), "--go", "--wait", "--cluster", "slurm"]) == cli.GAPS
    shown = capsys.readouterr()
    assert "12/12 runs ended, 1 failed" in shown.err
    assert "1 of 12 runs failed" in shown.out
    assert "--retry" in shown.out
    assert cli.main(["sweep", str(study.folder), "--status", "--json"]) == cli.GAPS
    totals = json.loads(capsys.readouterr().out)["totals"]
    assert (totals["done"], totals["failed"], totals["failures"]) == (11, 1, {"exception": 1})
    assert totals["device_hours_used"] == pytest.approx(12 / 3600)
