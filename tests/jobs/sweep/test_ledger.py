"""The ledger: whole lines are read back, torn ones are skipped, and lines after a torn one are not lost."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from jobs.machine import utc_now
from jobs.sweep.ledger import Job, Ledger, Submission, new_id
from planners import Study

FIRST = Submission(
    id=new_id(),
    time=utc_now(),
    host="here",
    boot=None,
    pid=7,
    executor="slurm",
    packs=(("a", "b"), ("c",)),
    predicted_s=(3.0, 1.5),
)
SECOND = replace(FIRST, id=new_id(), executor="local")
JOBS = (Job(id="77_0", pack=0), Job(id="77_1", pack=1))


def written(folder: Path) -> Ledger:
    ledger = Ledger(Study(folder))
    ledger.submitting(FIRST)
    ledger.submitted(FIRST.id, JOBS)
    ledger.submitting(SECOND)
    ledger.refused(SECOND.id, "invalid partition")
    ledger.ended(FIRST.id, "its jobs ended", {"77_1": "TIMEOUT"}, {})
    return ledger


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    ledger = written(tmp_path)
    first, second = ledger.read()
    assert first == replace(FIRST, jobs=JOBS, ended="its jobs ended", states={"77_1": "TIMEOUT"}, died={})
    assert second == replace(SECOND, refused="invalid partition")
    assert not first.is_open
    assert not second.is_open
    assert first.run_ids == {"a", "b", "c"}
    assert FIRST.is_open
    assert Ledger(Study(tmp_path / "none")).read() == []


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_torn_line_loses_only_itself(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ledger = written(Path(folder))
        whole = ledger.path.read_bytes()
        cut = data.draw(st.integers(0, len(whole)))
        ledger.path.write_bytes(whole[:cut])
        before = ledger.read()
        third = replace(FIRST, id="third")
        ledger.submitting(third)  # as the next sweep does
        assert ledger.read() == [*before, third]
        lines = whole.splitlines(keepends=True)
        kept = sum(cut >= len(b"".join(lines[: number + 1])) - 1 for number in range(len(lines)))
        assert len(before) == (kept >= 1) + (kept >= 3)
        if kept >= 2:
            assert before[0].jobs == JOBS


@pytest.mark.parametrize("line", [b"[]", b'"x"', b'{"event": "submitting", "id": "x"}', b"\xff\x00", b'{"event": 1}'])
def test_a_broken_line_is_skipped_with_a_warning(tmp_path: Path, line: bytes, capsys: pytest.CaptureFixture) -> None:
    ledger = written(tmp_path)
    expected = ledger.read()
    first, rest = ledger.path.read_bytes().split(b"\n", 1)
    ledger.path.write_bytes(first + b"\n" + line + b"\n" + rest)
    assert ledger.read() == expected
    assert "line 2 cannot be read and is left out" in capsys.readouterr().err


def test_a_field_of_a_later_version_is_ignored(tmp_path: Path) -> None:
    ledger = written(tmp_path)
    text = ledger.path.read_text()
    ledger.path.write_text(text.replace('"pid": 7', '"pid": 7, "queue": "new"'))
    assert len(ledger.read()) == 2
