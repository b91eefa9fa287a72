"""Submitting to a stand-in for Slurm: nothing is submitted twice and nothing is lost, whatever fails.

The stand-in can give any answer; test_slurm.py uses a real Slurm.
"""

import json
import os
import shutil
import threading
from dataclasses import replace

import pytest
from made_runs import begun, child_of, record_of, replan
from slurm_stand_in import ONE_EACH, StandIn

from jobs.record import read_record, write_record
from jobs.sweep import submit as submitting
from jobs.sweep.cluster import Cluster
from jobs.sweep.executors import CORES_OF_GPU
from jobs.sweep.job_plan import plan_jobs
from jobs.sweep.ledger import Ledger, Submission
from jobs.sweep.status import status
from jobs.sweep.submit import cancel, submit
from jobs.sweep.submitted import submitted_jobs
from planners import Study, UsageError
from scaling import cli


@pytest.fixture
def study(twelve: Study) -> Study:
    return twelve


def test_finished_and_submitted_runs_are_not_submitted_again(study: Study, slurm_stand_in: StandIn) -> None:
    specs = study.runs()
    write_record(study, record_of(specs[0]))
    plan, submitted = submit(study, ONE_EACH)
    assert sorted(plan.run_ids) == sorted(spec.run_id for spec in specs[1:])
    assert [len(one.jobs or ()) for one in submitted] == [5, 5, 1]  # the stand-in allows 5 jobs per array
    assert len(slurm_stand_in.queue) == 11
    assert {name for _, name, _ in slurm_stand_in.queue} == {one.name for one in submitted}
    again, nothing = submit(study, ONE_EACH)
    assert nothing == []
    assert again.run_ids == []
    assert [run.state for run in again.statuses] == ["done"] + ["queued"] * 11
    assert len(slurm_stand_in.queue) == 11
    before = (slurm_stand_in.folder / "asked").read_text().count("squeue")
    status(study, submitted_jobs(study))
    assert (slurm_stand_in.folder / "asked").read_text().count("squeue") == before + 1  # one query, however many jobs
    shutil.rmtree(study.cluster)  # submitit's folder is never read
    assert submit(study, ONE_EACH)[1] == []


def test_runs_of_finished_jobs_are_left_to_the_next_sweep(study: Study, slurm_stand_in: StandIn) -> None:
    specs = study.runs()
    _, (first, *_) = submit(study, ONE_EACH)
    killed = first.packs[0][0]
    begun(study, next(spec for spec in specs if spec.run_id == killed), job="11_0")
    slurm_stand_in.set("accounts", f"11_0|{first.name}|OUT_OF_MEMORY\n11_1|{first.name}|COMPLETED\n11_2|other|FAILED\n")
    slurm_stand_in.unset("queue")
    shown = {run.spec.run_id: run for run in plan_jobs(study, ONE_EACH).statuses}
    assert (shown[killed].state, shown[killed].failure) == ("failed", "out_of_memory")
    plan, _ = submit(study, ONE_EACH)
    assert len(plan.run_ids) == 11  # a lack of memory is a failure of the run: retried only if asked
    assert plan_jobs(study, ONE_EACH, retry=True).run_ids == [killed]
    assert Ledger(study).read()[0].states == {"11_0": "OUT_OF_MEMORY"}
    asked = (slurm_stand_in.folder / "asked").read_text()
    plan_jobs(study, ONE_EACH)  # finished jobs are not asked for again
    assert (slurm_stand_in.folder / "asked").read_text().count("sacct") == asked.count("sacct")


def test_a_job_that_dies_before_its_worker_is_an_attempt(
    study: Study, slurm_stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    _, (first, *others) = submit(study, ONE_EACH)
    (study.cluster / first.id / "11_1.began").touch()  # its worker began and left its run to another one
    dead = [f"11_0|{first.name}|FAILED|7:0", f"11_1|{first.name}|FAILED|1:0", f"11_2|{first.name}|CANCELLED by 0|0:0"]
    done = [f"{job.id}|{one.name}|COMPLETED|0:0" for one in (first, *others) for job in one.jobs or ()]
    slurm_stand_in.set("accounts", "\n".join([*dead, *done[3:]]) + "\n")
    slurm_stand_in.unset("queue")
    run_id = first.packs[0][0]
    for _ in range(2):  # found by asking, then kept in the ledger
        runs = {run.spec.run_id: run for run in plan_jobs(study, ONE_EACH).statuses}
        assert {id: run.counted for id, run in runs.items() if run.counted} == {run_id: 1}
        assert (runs[run_id].state, runs[run_id].failure) == ("waiting", "not_started")
        assert runs[run_id].error == "job 11_0 ended before its worker began: FAILED (exit code 7:0)"
        assert cli.main(["sweep", str(study.folder), "--status"]) == cli.GAPS
        assert "11_0 ended before its worker began: FAILED (exit code 7:0)" in capsys.readouterr().out
        cancel(study)
    plan = plan_jobs(study, replace(ONE_EACH, attempts=1))
    assert len(plan.run_ids) == 11
    assert "1 runs have used their 1 attempts; not_started: " in plan.withheld[0]


def test_without_accounting_such_jobs_are_bounded_too(study: Study, slurm_stand_in: StandIn) -> None:
    for _ in range(3):
        assert len(submit(study, ONE_EACH)[1]) == 3
        slurm_stand_in.unset("queue")
    plan, nothing = submit(study, ONE_EACH)
    assert nothing == []
    assert "12 runs have used their 3 attempts" in plan.withheld[0]


def test_jobs_of_a_dead_scheduler_can_be_forgotten(
    study: Study, slurm_stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(study, ONE_EACH)
    slurm_stand_in.set("down")
    assert plan_jobs(study, ONE_EACH).run_ids == []
    assert cli.main(["sweep", str(study.folder), "--cancel"]) == cli.GAPS
    assert "--forget" in capsys.readouterr().err
    assert plan_jobs(study, ONE_EACH).run_ids == []
    assert cli.main(["sweep", str(study.folder), "--forget"]) == cli.DONE
    assert "they were given up" in capsys.readouterr().err
    assert len(plan_jobs(study, ONE_EACH).run_ids) == 12
    slurm_stand_in.unset("down")
    submit(study, ONE_EACH)
    assert cli.main(["sweep", str(study.folder), "--forget"]) == cli.DONE  # jobs that can be checked continue
    assert len(submitted_jobs(study).run_ids) == 12


@pytest.mark.parametrize("where", ["before sbatch", "after sbatch"])
def test_a_crash_between_the_two_ledger_lines_submits_nothing_twice(
    study: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise SystemExit(9)

    with monkeypatch.context() as broken:
        if where == "before sbatch":
            broken.setattr(submitting.executors, "start_jobs", crash)
        else:
            broken.setattr(Ledger, "submitted", crash)
        with pytest.raises(SystemExit):
            submit(study, replace(ONE_EACH, parallel=2))
    taken = len(slurm_stand_in.queue)
    assert taken == (0 if where == "before sbatch" else 5)
    plan, _ = submit(study, ONE_EACH)
    assert len(plan.run_ids) == 12 - taken
    assert len(slurm_stand_in.queue) == 12
    runs = [run_id for one in Ledger(study).read() if one.is_open for run_id in one.run_ids]
    assert len(runs) == len(set(runs)) == 12


def test_two_sweeps_at_once_submit_each_run_once(study: Study, slurm_stand_in: StandIn) -> None:
    sweeps = [threading.Thread(target=submit, args=(study, ONE_EACH)) for _ in range(3)]
    for one in sweeps:
        one.start()
    for one in sweeps:
        one.join()
    assert len(slurm_stand_in.queue) == 12
    assert sum(one.jobs is not None for one in Ledger(study).read()) == 3  # one sweep submitted all three arrays


def test_a_refusal_loses_nothing(study: Study, slurm_stand_in: StandIn) -> None:
    specs = study.runs()
    for spec in specs[1:]:
        write_record(study, record_of(spec))
    write_record(study, record_of(specs[0], "failed"))
    slurm_stand_in.set("refuse")
    with pytest.raises(UsageError, match="invalid partition"):
        submit(study, ONE_EACH, retry=True)
    assert read_record(study, specs[0]) == record_of(specs[0], "failed")
    assert Ledger(study).read()[0].refused == "sbatch: error: invalid partition"
    assert submit(study, ONE_EACH)[1] == []  # a failed run is trained again only if asked
    slurm_stand_in.unset("refuse")
    assert submit(study, ONE_EACH, retry=True)[0].run_ids == [specs[0].run_id]
    assert submit(study, ONE_EACH, retry=True)[1] == []
    assert read_record(study, specs[0]) is not None


def test_jobs_accepted_despite_an_error_are_found_in_the_queue(study: Study, slurm_stand_in: StandIn) -> None:
    slurm_stand_in.set("late")
    _, submitted = submit(study, replace(ONE_EACH, pack=30))
    assert [job.id for job in submitted[0].jobs or ()] == ["11"]
    assert submit(study, ONE_EACH)[1] == []


def test_without_an_answer_all_submitted_jobs_count_as_alive(
    study: Study, slurm_stand_in: StandIn, capsys: pytest.CaptureFixture
) -> None:
    submit(study, ONE_EACH)
    slurm_stand_in.unset("queue")
    slurm_stand_in.set("down")
    plan, submitted = submit(study, ONE_EACH)
    assert submitted == []
    assert {run.state for run in plan.statuses} == {"queued"}
    assert "Unable to contact controller" in plan.submitted.unknown[0]
    assert cli.main(["sweep", str(study.folder), "--status"]) == cli.GAPS
    assert "Unable to contact controller" in capsys.readouterr().out
    slurm_stand_in.unset("down")
    assert len(submit(study, ONE_EACH)[0].run_ids) == 12  # without accounting, which this stand-in lacks


def test_cancel_does_not_claim_to_have_reached_a_scheduler_that_is_down(
    study: Study, slurm_stand_in: StandIn, capsys: pytest.CaptureFixture
) -> None:
    submit(study, ONE_EACH)
    slurm_stand_in.set("down")
    assert cli.main(["sweep", str(study.folder), "--status"]) == cli.GAPS
    assert "the sweep waits until it answers" in capsys.readouterr().out
    assert cli.main(["sweep", str(study.folder), "--cancel"]) == cli.GAPS
    shown = capsys.readouterr()
    assert "0 jobs were asked to end" in shown.out
    assert shown.err.count("Unable to contact controller") == 1
    assert "cancel again when it answers" in shown.err
    assert not any(one.cancelled or one.ended for one in Ledger(study).read())
    assert len(submitted_jobs(study).run_ids) == 12


def test_slurm_jobs_can_be_given_up_on_a_machine_without_slurm(
    study: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """A study folder that was copied from a cluster to another machine can be finished there."""
    submit(study, ONE_EACH)
    monkeypatch.setenv("PATH", "/missing")
    assert cli.main(["sweep", str(study.folder), "--status"]) == cli.GAPS
    assert "this machine has no squeue); --cancel gives them up" in capsys.readouterr().out
    assert cli.main(["sweep", str(study.folder), "--cancel"]) == cli.GAPS
    shown = capsys.readouterr()
    assert "0 jobs were asked to end" in shown.out
    assert shown.err.count("they were given up") == 1
    assert all(one.cancelled for one in Ledger(study).read())
    assert len(plan_jobs(study, Cluster()).run_ids) == 12


def test_cancel_ends_only_the_jobs_of_the_study(study: Study, slurm_stand_in: StandIn) -> None:
    slurm_stand_in.set("queue", "7|somebody-else|RUNNING\n")
    submit(study, ONE_EACH)
    assert cancel(study) == (12, [])
    assert slurm_stand_in.queue == [["7", "somebody-else", "RUNNING"]]
    assert all(one.cancelled for one in Ledger(study).read())
    assert len(submit(study, ONE_EACH)[0].run_ids) == 12


def test_defaults_of_the_user_for_slurm_do_not_reach_its_commands(
    study: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for name in ("SBATCH_JOB_NAME", "SBATCH_PARTITION", "SQUEUE_STATES", "SACCT_FORMAT", "SCANCEL_STATE"):
        monkeypatch.setenv(name, "mine")
    (_, submitted), again = submit(study, ONE_EACH), submit(study, ONE_EACH)
    assert {name for _, name, _ in slurm_stand_in.queue} == {one.name for one in submitted}
    assert again[1] == []
    assert "=mine" not in (slurm_stand_in.folder / "environment").read_text()
    assert "SBATCH_JOB_NAME, SBATCH_PARTITION are ignored" in capsys.readouterr().err


def test_flags_without_a_value_and_arguments_of_srun_reach_the_script(study: Study, slurm_stand_in: StandIn) -> None:
    options = {"slurm": ("exclusive", "no-requeue", "wckey=ours", "gres=gpu:a100:1"), "srun": ("--container-image=x",)}
    submit(study, replace(ONE_EACH, **options))
    script = (slurm_stand_in.folder / "script").read_text()
    lines = {line.removeprefix("#SBATCH ") for line in script.splitlines()}
    assert {"--exclusive", "--no-requeue", "--wckey=ours", "--gres=gpu:a100:1"} <= lines
    assert "--requeue" not in lines
    assert "--container-image=x" in script


def test_a_parent_is_submitted_before_its_children(study: Study, slurm_stand_in: StandIn) -> None:
    parent, other = study.runs()[:2]
    child = child_of(parent, other)
    grandchild = child_of(child, other, seed=8)
    replan(study, (grandchild, child, parent))
    _, submitted = submit(study, ONE_EACH)
    assert [one.packs for one in submitted] == [((spec.run_id,),) for spec in (parent, child, grandchild)]
    assert "--dependency=afterany:11:12" in (slurm_stand_in.folder / "script").read_text()
    (shared,) = plan_jobs(study, Cluster()).submitted.alive[:1]
    assert shared.submission.packs[0][0] == parent.run_id
    slurm_stand_in.unset("queue")
    write_record(study, record_of(parent, "failed"))
    assert plan_jobs(study, ONE_EACH).run_ids == []
    assert "start from the weights of a run that has none" in plan_jobs(study, ONE_EACH).withheld[0]
    assert plan_jobs(study, ONE_EACH, retry=True).run_ids == [parent.run_id, child.run_id, grandchild.run_id]
    local = plan_jobs(study, Cluster(), retry=True).arrays[0].packs[0]
    assert local == (parent.run_id, child.run_id, grandchild.run_id)


CAPS = {
    "jobs": (["--max-jobs", "4", "--pack", "0"], 4, "the cap is 4 submitted jobs"),
    "hours": (["--max-device-hours", "0.01", "--flops-per-s", "1e8"], 5, "exceed the cap of 0.01 device-hours"),
    "attempts": (["--attempts", "2"], 11, "have used their 2 attempts"),
}


@pytest.mark.parametrize(("flags", "count", "says"), CAPS.values(), ids=CAPS)
def test_a_cap_withholds_runs_and_says_so(
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


def test_sbatch_gets_the_options_but_no_variables_of_a_surrounding_job(
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
    submit(study, cluster)
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


def test_processes_of_another_machine_count_as_alive_until_given_up(study: Study) -> None:
    ids = tuple(spec.run_id for spec in study.runs())
    there = Submission(
        id="x", time="2031-01-01T00:00:00Z", host="elsewhere", pid=1, executor="local", packs=(ids,), predicted_s=(1.0,)
    )
    Ledger(study).submitting(there)  # its clock is years ahead, which must not matter
    plan = plan_jobs(study, Cluster())
    assert plan.run_ids == []
    assert "elsewhere cannot be checked" in plan.submitted.unknown[0]
    count, troubles = cancel(study)
    assert count == 0  # none of its jobs can be reached
    assert "given up" in troubles[0]
    assert len(plan_jobs(study, Cluster()).run_ids) == 12


def test_a_read_only_study_shows_its_status(
    study: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """The error of a read-only file system is raised here, because root may write even without permission."""
    submit(study, ONE_EACH)
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


def test_ctrl_c_while_waiting_leaves_the_jobs_running_and_says_so(
    study: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from jobs.sweep import until_done

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(until_done, "wait_for_runs", interrupted)
    assert cli.main(["sweep", str(study.folder), "--go", "--wait", "--cluster", "slurm"]) == 130
    assert "the jobs continue" in capsys.readouterr().err
    assert len(slurm_stand_in.queue) == 1
    assert cli.main(["sweep", str(study.folder), "--go", "--wait", "--cluster", "slurm"]) == 130  # for the same jobs
    assert len(slurm_stand_in.queue) == 1


def test_waiting_shows_progress_and_ends_with_the_jobs(
    study: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """While a sweep waits, three runs end at each look; their job stays in the queue a little longer."""
    from jobs.sweep import wait

    specs = study.runs()
    monkeypatch.setattr(wait, "POLL_S", 0.01)
    monkeypatch.setitem(wait.CHECK_S, "slurm", 0.02)
    left = list(specs)

    def look(*arguments: object) -> object:
        if left:
            for spec in left[:3]:
                write_record(study, record_of(spec, "failed" if spec is specs[4] else "done"))
            del left[:3]
        elif (slurm_stand_in.folder / "queue").exists():
            slurm_stand_in.unset("queue")
        return real(*arguments)  # type: ignore[arg-type]

    real = wait._look
    monkeypatch.setattr(wait, "_look", look)
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
