"""Rounds of a sweep that waits: what it attaches to, when it submits again, and when it leaves off."""

import pytest
from slurm_stand_in import ONE_EACH, StandIn, record_of

from jobs.record import write_record
from jobs.submit import cancel, sweep
from planners import Study
from scaling import cli, training


def test_a_sweep_that_only_attached_submits_nothing_after_a_cancel(
    twelve: Study, slurm_stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """While it waits a run ends and somebody else cancels; the jobs were another process's."""
    sweep(twelve, ONE_EACH)

    def cancelled_elsewhere(*_: object, **__: object) -> None:
        write_one(twelve)
        cancel(twelve)

    monkeypatch.setattr(training, "follow", cancelled_elsewhere)
    assert cli.main(["sweep", str(twelve.folder), "--go", "--wait", "--cluster", "slurm"]) == cli.GAPS
    assert slurm_stand_in.queue == []
    assert "ended by --cancel" in capsys.readouterr().err


def write_one(study: Study) -> None:
    write_record(study, record_of(study.runs()[0]))
