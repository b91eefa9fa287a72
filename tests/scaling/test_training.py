"""Rounds of a sweep that waits: what it attaches to, when it submits again, and when it leaves off."""

import json
from dataclasses import replace

import pytest
from slurm_stand_in import ONE_EACH, StandIn, begun, record_of

from jobs.record import write_record
from jobs.sweep import follow as following
from jobs.sweep import until_done
from jobs.sweep.ledger import Ledger, Submission, now
from jobs.sweep.status import RunStatus, status
from jobs.sweep.submit import cancel, sweep
from jobs.sweep.submitted import Flight, in_flight
from planners import Study
from scaling import cli


def test_a_sweep_that_only_attached_submits_nothing_after_a_cancel(
    twelve: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """While it waits a run ends and somebody else cancels; the jobs were another process's."""
    sweep(twelve, ONE_EACH)

    def cancelled_elsewhere(*_: object, **__: object) -> None:
        write_one(twelve)
        cancel(twelve)

    monkeypatch.setattr(until_done, "follow", cancelled_elsewhere)
    assert cli.main(["sweep", str(twelve.folder), "--go", "--wait", "--cluster", "slurm"]) == cli.GAPS
    assert slurm_stand_in.queue == []
    assert "ended by --cancel" in capsys.readouterr().err


def write_one(study: Study) -> None:
    write_record(study, record_of(study.runs()[0]))


def test_a_failed_run_that_is_tried_again_is_in_flight(
    twelve: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Its old record is there until its job takes it up; failed runs of a job that tries nothing again are not."""
    first, second, *others = twelve.runs()
    sweep(twelve, replace(ONE_EACH, pack=30))
    for spec in (first, second):
        begun(twelve, spec, failed=True)
        write_record(twelve, record_of(spec, "failed"))
    for spec in others:
        write_record(twelve, record_of(spec))
    command = ["sweep", str(twelve.folder), "--cluster", "slurm"]
    assert [run.state for run in status(twelve, in_flight(twelve))][:2] == ["failed"] * 2  # their job retries nothing
    assert cli.main([*command, "--go", "--retry"]) == cli.DONE
    assert len(slurm_stand_in.queue) == 2
    shown = capsys.readouterr().out
    assert "submitted 2 runs in 1 jobs" in shown
    assert "runs failed" not in shown
    assert "it broke" not in shown
    assert shown.splitlines()[-1].endswith("--status --cluster slurm")
    assert sweep(twelve, ONE_EACH, retry=True)[1] == []
    waited_for: list[str] = []
    monkeypatch.setattr(
        until_done, "follow", lambda study, runs, *_, **__: waited_for.extend(r.spec.run_id for r in runs)
    )
    cli.main([*command, "--go", "--wait"])
    assert waited_for == [first.run_id, second.run_id]
    assert cli.main([*command, "--status", "--json"]) == cli.GAPS
    totals = json.loads(capsys.readouterr().out.splitlines()[-1])["totals"]
    assert (totals["queued"], totals["failed"], totals["failures"]) == (2, 0, {})
    begun(twelve, first, times=2, failed=True)  # it has failed again; the other one is still to come
    assert [run.state for run in status(twelve, in_flight(twelve))][:2] == ["failed", "queued"]


def test_what_is_waited_for_in_vain_is_said_once(
    twelve: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Workers of a machine that cannot be asked, such as a container that is gone, are waited for."""
    ids = tuple(spec.run_id for spec in twelve.runs())
    there = Submission(id="x", time=now(), host="elsewhere", pid=1, executor="local", packs=(ids,), predicted_s=(1.0,))
    Ledger(twelve).submitting(there)
    monkeypatch.setattr(following, "POLL_S", 0.01)
    monkeypatch.setitem(following.LOOK_S, "local", 0.0)
    looks = iter(range(4))

    def look(study: Study) -> Flight:
        if next(looks, None) is None:
            raise KeyboardInterrupt
        return in_flight(study)

    monkeypatch.setattr(following, "in_flight", look)
    assert cli.main(["sweep", str(twelve.folder), "--go"]) == 130
    assert capsys.readouterr().err.count("processes on elsewhere cannot be asked") == 1


def test_a_half_written_record_keeps_nobody_from_going_on(
    twelve: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """It counts as none, which is said once, however often it is looked at; the other runs are in the table."""
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
    monkeypatch.setattr(following, "POLL_S", 0.01)
    monkeypatch.setitem(following.LOOK_S, "slurm", 0.0)
    looks = iter(range(4))

    def look(study: Study) -> Flight:
        if next(looks, None) is None:
            slurm_stand_in.set("queue")
        return in_flight(study)

    monkeypatch.setattr(following, "in_flight", look)
    with open(twelve.folder / "ledger.jsonl", "a") as ledger:
        ledger.write('{"event": "subm\n')
    assert cli.main([*command, "--wait"]) == cli.GAPS
    shown = capsys.readouterr()
    assert "counts as not trained" not in shown.err
    assert shown.err.count("1 torn line") == 1


def test_waiting_ends_early_only_where_the_cap_on_jobs_keeps_runs_back(
    twelve: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(twelve, twelve.runs()[3], times=3)  # which is withheld for its attempts
    rooms: list[object] = []
    monkeypatch.setattr(until_done, "follow", lambda *_, room_for, **__: rooms.append(room_for))
    for cap in ("50", "2"):
        cli.main(
            ["sweep", str(twelve.folder), "--go", "--wait", "--cluster", "slurm", "--max-jobs", cap, "--pack", "0"]
        )
        slurm_stand_in.set("queue")
    assert rooms == [None, 2]


def test_failed_runs_are_each_tried_again_once_however_many_rounds_that_takes(
    twelve: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Two jobs at once are allowed and six runs had failed; two of them fail again, and are left."""
    specs = twelve.runs()
    for spec in specs:
        write_record(twelve, record_of(spec, "failed" if spec in specs[:6] else "done"))
    rounds: list[list[str]] = []

    def follow(study: Study, runs: list[RunStatus], *_: object, **__: object) -> None:
        rounds.append([run.spec.run_id for run in runs])
        for run in runs:
            begun(study, run.spec, failed=True)
            write_record(study, record_of(run.spec, "failed" if run.spec in specs[:2] else "done"))
        slurm_stand_in.set("queue")

    monkeypatch.setattr(until_done, "follow", follow)
    caps = ["--max-jobs", "2", "--pack", "0"]
    code = cli.main(["sweep", str(twelve.folder), "--go", "--retry", "--wait", "--cluster", "slurm", *caps])
    assert code == cli.GAPS
    assert [len(runs) for runs in rounds] == [2, 2, 2]
    assert {run_id for runs in rounds for run_id in runs} == {spec.run_id for spec in specs[:6]}
    assert "2 of 12 runs failed" in capsys.readouterr().out
