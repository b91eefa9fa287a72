"""A whole sweep: which jobs it waits for, when it submits again, and when it ends."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_runs import begun, end_runs_with, record_of
from slurm_stand_in import ONE_EACH, StandIn

from jobs.machine import utc_now
from jobs.record import collect, write_record
from jobs.sweep import until_done, wait
from jobs.sweep.cluster import Cluster
from jobs.sweep.ledger import Ledger, Submission
from jobs.sweep.status import RunStatus, status
from jobs.sweep.submit import cancel, submit
from jobs.sweep.submitted import SubmittedJobs, submitted_jobs
from jobs.sweep.until_done import train_until_done
from planners import Question, Study, make_plan
from scaling import cli


def test_a_waiting_sweep_submits_nothing_after_a_cancel(
    twelve: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """While it waits for jobs of another process, a run ends and somebody cancels."""
    submit(twelve, ONE_EACH)

    def cancelled_elsewhere(*_: object, **__: object) -> None:
        write_one(twelve)
        cancel(twelve)

    monkeypatch.setattr(until_done, "wait_for_runs", cancelled_elsewhere)
    assert cli.main(["sweep", str(twelve.folder), "--go", "--wait", "--cluster", "slurm"]) == cli.GAPS
    assert slurm_stand_in.queue == []
    assert "cancelled by --cancel" in capsys.readouterr().err


def write_one(study: Study) -> None:
    write_record(study, record_of(study.runs()[0]))


def test_a_failed_run_that_a_job_tries_again_counts_as_queued(
    twelve: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Its old record stays until its job starts. A failed run whose job does not retry it stays failed."""
    first, second, *others = twelve.runs()
    submit(twelve, replace(ONE_EACH, pack=30))
    for spec in (first, second):
        begun(twelve, spec, failed=True)
        write_record(twelve, record_of(spec, "failed"))
    for spec in others:
        write_record(twelve, record_of(spec))
    command = ["sweep", str(twelve.folder), "--cluster", "slurm"]
    states = [run.state for run in status(twelve, submitted_jobs(twelve))]
    assert states[:2] == ["failed"] * 2  # their job retries nothing
    assert cli.main([*command, "--go", "--retry"]) == cli.DONE
    assert len(slurm_stand_in.queue) == 2
    shown = capsys.readouterr().out
    assert "submitted 2 runs in 1 jobs" in shown
    assert "runs failed" not in shown
    assert "it broke" not in shown
    assert shown.splitlines()[-1].endswith("--status --cluster slurm")
    assert submit(twelve, ONE_EACH, retry=True)[1] == []
    waited_for: list[str] = []
    monkeypatch.setattr(
        until_done, "wait_for_runs", lambda study, runs, *_, **__: waited_for.extend(r.spec.run_id for r in runs)
    )
    cli.main([*command, "--go", "--wait"])
    assert waited_for == [first.run_id, second.run_id]
    assert cli.main([*command, "--status", "--json"]) == cli.GAPS
    totals = json.loads(capsys.readouterr().out.splitlines()[-1])["totals"]
    assert (totals["queued"], totals["failed"], totals["failures"]) == (2, 0, {})
    begun(twelve, first, times=2, failed=True)  # it has failed again; the other one has not started
    assert [run.state for run in status(twelve, submitted_jobs(twelve))][:2] == ["failed", "queued"]


def test_jobs_that_cannot_be_checked_are_mentioned_once(
    twelve: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """A sweep waits for workers of a machine that cannot be checked, such as a container that is gone."""
    ids = tuple(spec.run_id for spec in twelve.runs())
    there = Submission(
        id="x", time=utc_now(), host="elsewhere", pid=1, executor="local", packs=(ids,), predicted_s=(1.0,)
    )
    Ledger(twelve).submitting(there)
    monkeypatch.setattr(wait, "POLL_S", 0.01)
    monkeypatch.setitem(wait.CHECK_S, "local", 0.0)
    looks = iter(range(4))

    def look(study: Study) -> SubmittedJobs:
        if next(looks, None) is None:
            raise KeyboardInterrupt
        return submitted_jobs(study)

    monkeypatch.setattr(wait, "submitted_jobs", look)
    assert cli.main(["sweep", str(twelve.folder), "--go"]) == 130
    assert capsys.readouterr().err.count("processes on elsewhere cannot be checked") == 1


def test_a_half_written_record_does_not_stop_a_sweep(
    twelve: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """It counts as missing, with one warning however often it is read. The other runs are in the table."""
    half, whole = twelve.runs()[:2]
    for spec in (half, whole):
        write_record(twelve, record_of(spec))
    path = twelve.run_folder(half.run_id) / "record.json"
    path.write_text(path.read_text()[:100])
    command = ["sweep", str(twelve.folder), "--go", "--cluster", "slurm"]
    assert cli.main(command) == cli.DONE
    shown = capsys.readouterr()
    assert "submitted 11 runs in 1 jobs" in shown.out
    assert len(slurm_stand_in.queue) == 1
    assert shown.err.count("counts as not trained") == 1
    assert whole.run_id in twelve.runs_csv.read_text()
    assert half.run_id not in twelve.runs_csv.read_text()
    monkeypatch.setattr(wait, "POLL_S", 0.01)
    monkeypatch.setitem(wait.CHECK_S, "slurm", 0.0)
    looks = iter(range(4))

    def look(study: Study) -> SubmittedJobs:
        if next(looks, None) is None:
            slurm_stand_in.set("queue")
        return submitted_jobs(study)

    monkeypatch.setattr(wait, "submitted_jobs", look)
    with open(twelve.folder / "ledger.jsonl", "a") as ledger:
        ledger.write('{"event": "subm\n')
    assert cli.main([*command, "--wait"]) == cli.GAPS
    shown = capsys.readouterr()
    assert "counts as not trained" not in shown.err
    assert shown.err.count("cannot be read and is left out") == 1


def test_waiting_ends_early_only_if_the_cap_on_jobs_holds_runs_back(
    twelve: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(twelve, twelve.runs()[3], times=3)  # withheld, because it has used its attempts
    rooms: list[object] = []
    monkeypatch.setattr(until_done, "wait_for_runs", lambda *_, room_for, **__: rooms.append(room_for))
    for cap in ("50", "2"):
        cli.main(
            ["sweep", str(twelve.folder), "--go", "--wait", "--cluster", "slurm", "--max-jobs", cap, "--pack", "0"]
        )
        slurm_stand_in.set("queue")
    assert rooms == [None, 2]


def test_each_failed_run_is_retried_once_over_several_rounds(
    twelve: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Two jobs at a time retry six failed runs. Two of the runs fail again and are left failed."""
    specs = twelve.runs()
    for spec in specs:
        write_record(twelve, record_of(spec, "failed" if spec in specs[:6] else "done"))
    rounds: list[list[str]] = []

    def end_runs(study: Study, runs: list[RunStatus], *_: object, **__: object) -> None:
        rounds.append([run.spec.run_id for run in runs])
        for run in runs:
            begun(study, run.spec, failed=True)
            write_record(study, record_of(run.spec, "failed" if run.spec in specs[:2] else "done"))
        slurm_stand_in.set("queue")

    monkeypatch.setattr(until_done, "wait_for_runs", end_runs)
    caps = ["--max-jobs", "2", "--pack", "0"]
    code = cli.main(["sweep", str(twelve.folder), "--go", "--retry", "--wait", "--cluster", "slurm", *caps])
    assert code == cli.GAPS
    assert [len(runs) for runs in rounds] == [2, 2, 2]
    assert {run_id for runs in rounds for run_id in runs} == {spec.run_id for spec in specs[:6]}
    assert "2 of 12 runs failed" in capsys.readouterr().out


def test_a_sweep_ends_on_a_full_disk(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    end_runs_with(monkeypatch, [OSError(errno.ENOSPC, "No space left on device")] * 9)
    assert cli.main(["sweep", str(tiny_study.folder), "--go", "--cluster", "debug"]) == cli.GAPS
    assert sum(len(run.attempts) for run in status(tiny_study)) == 1


def test_local_and_debug_give_the_same_losses(tiny_study: Study, tiny_question: Question, tmp_path: Path) -> None:
    from jobs.corpora import describe

    other = Study(tmp_path / "other")
    other.write(make_plan(tiny_question, describe(str(tiny_question.data))))
    train_until_done(tiny_study, Cluster(kind="local", parallel=2))
    train_until_done(other, Cluster(kind="debug"))
    local, debug = ({row["run_id"]: row["loss"] for row in collect(study)} for study in (tiny_study, other))
    assert len(local) == 3
    assert local == pytest.approx(debug)


def test_a_study_whose_runs_all_failed_can_be_reported(tiny_study: Study, capsys: pytest.CaptureFixture) -> None:
    folder = str(tiny_study.folder)
    for spec in tiny_study.runs():
        (tiny_study.run_folder(spec.run_id) / "metrics.jsonl").mkdir(parents=True)  # cannot be opened
    assert cli.main(["sweep", folder, "--go", "--cluster", "debug"]) == cli.GAPS
    shown = capsys.readouterr().out
    assert shown.count("failed: ") == 3
    assert "--retry" in shown
    assert cli.main(["fit", folder]) == cli.GAPS
    assert cli.main(["report", folder]) == cli.GAPS
    assert "0 of 3 planned runs done" in capsys.readouterr().out
