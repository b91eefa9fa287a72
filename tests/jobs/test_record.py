"""Records: corrupt and half-written ones."""

import errno
import json
from pathlib import Path

import pytest
from made_runs import record_of

from jobs.record import read_or_set_aside, read_record, readable_record, write_record
from jobs.sweep.cluster import Cluster
from jobs.sweep.job_plan import plan_jobs
from planners import Study, UsageError
from scaling import cli


def test_a_corrupt_record_is_refused_in_one_sentence(tiny_study: Study) -> None:
    spec = tiny_study.runs()[0]
    path = tiny_study.run_folder(spec.run_id) / "record.json"
    path.parent.mkdir(parents=True)
    for content in ("{", "[]", '{"run_id": "x"}', json.dumps({"run_id": spec.run_id, "state": "done"})):
        path.write_text(content)
        with pytest.raises(UsageError, match=r"record\.json"):
            read_record(tiny_study, spec)


def test_a_half_written_record_counts_as_missing(twelve: Study, capsys: pytest.CaptureFixture) -> None:
    spec = twelve.runs()[0]
    write_record(twelve, record_of(spec))
    path = twelve.run_folder(spec.run_id) / "record.json"
    path.write_text(path.read_text()[:100])
    assert cli.main(["sweep", str(twelve.folder), "--status"]) == cli.GAPS
    shown = capsys.readouterr()
    assert "counts as not trained" in shown.err
    assert shown.out.count(" waiting ") == 12
    assert len(plan_jobs(twelve, Cluster()).run_ids) == 12


def test_a_record_that_cannot_be_read_is_not_taken_for_a_corrupt_one(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tiny_study.runs()[0]
    write_record(tiny_study, record_of(spec))

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error", "record.json")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "read_bytes", fail)
        for read in (read_record, readable_record, read_or_set_aside):
            with pytest.raises(OSError, match="Input/output"):
                read(tiny_study, spec)
    assert read_record(tiny_study, spec) is not None
