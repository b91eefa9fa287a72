"""The live table, read off a small screen that obeys its escape codes; and what a file gets instead."""

import io
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from jobs.sweep.follow import Snapshot
from jobs.sweep.status import RunStatus
from planners import Study
from scaling import live_table
from scaling.live_table import Watch


class Terminal(io.StringIO):
    """What `Watch` takes for a terminal."""

    def isatty(self) -> bool:
        return True


def screen(written: str, columns: int) -> list[str]:
    """Return the lines that a terminal shows: it wraps, goes up to the start of a line, and erases what is below."""
    lines, row = [""], 0
    for up, erase, newline, text in re.findall(r"\x1b\[(\d+)F|(\x1b\[J)|(\n)|([^\x1b\n]+)", written):
        if up:
            row -= int(up)
            assert row >= 0, "it went up over what it had not written"
        elif erase:
            lines[row:] = [""]
        elif newline:
            row += 1
            lines += [""] * (row == len(lines))
        else:
            assert lines[row] == "", "it wrote over what it had not erased"
            wrapped = [text[at : at + columns] for at in range(0, len(text), columns)]
            lines[row : row + 1] = wrapped
            row += len(wrapped) - 1
    return lines[:-1]


def snapshot(study: Study, *, running: int, ended: int, **more: object) -> Snapshot:
    runs = [
        RunStatus(
            spec=spec,
            state="running",
            record=None,
            D_seen=spec.training.D // 4,
            loss=2.5,
            tokens_per_s=100.0,
            eta_s=30.0,
        )
        for spec in study.runs()
    ]
    given = {"ended": {"done": ended} if ended else {}, "running": tuple(runs[:running]), "n_left": 12 - ended}
    return Snapshot(**{**given, "share": ended / 12, "elapsed_s": 60.0, "eta_s": 90.0, **more})  # type: ignore[arg-type]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal()
    monkeypatch.setattr(live_table, "sys", SimpleNamespace(stderr=made))
    monkeypatch.setenv("COLUMNS", "70")
    return made


def test_the_table_is_redrawn_in_place(twelve: Study, terminal: Terminal) -> None:
    terminal.write("what was there before\n")
    show = Watch()
    show(snapshot(twelve, running=3, ended=0))
    shown = screen(terminal.getvalue(), 70)
    assert shown[0] == "what was there before"
    assert shown[1].startswith("  0.0%  0/12 runs ended, 3 training, 9 waiting, 300 tokens/")
    assert shown[2].split() == ["run", "arm", "done", "left", "tokens/s", "train", "loss"]
    for line, spec in zip(shown[3:], twelve.runs()[:3], strict=True):
        assert line.split() == [spec.run_id, spec.arm, "seed", "0", "25%", "30", "s", "100", "2.5000"]
    show(snapshot(twelve, running=1, ended=6, unknown=("processes on elsewhere cannot be asked",)))
    shown = screen(terminal.getvalue(), 70)
    assert shown[0] == "what was there before"
    assert shown[1].startswith(" 50.0%  6/12 runs ended, 1 training, 5 waiting")
    assert shown[2].startswith("taken to be in flight, because processes on elsewhere")
    assert len(shown) == 5
    show(snapshot(twelve, running=0, ended=12))
    shown = screen(terminal.getvalue(), 70)
    assert shown[1].startswith("100.0%  12/12 runs ended, 0 training")
    assert len(shown) == 2


def test_a_long_table_is_cut(twelve: Study, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_table, "ROWS", 4)
    Watch()(snapshot(twelve, running=9, ended=0))
    shown = screen(terminal.getvalue(), 70)
    assert shown[-1] == "… and 5 more"
    assert len(shown) == 1 + 1 + 4 + 1


def test_a_file_gets_the_sums_now_and_then(
    twelve: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    clock = iter([0.0, 0.0, 4.0, 11.0, 11.0, 12.0, 12.0])
    monkeypatch.setattr("scaling.live_table.time.monotonic", lambda: next(clock))
    show = Watch()
    now = snapshot(twelve, running=2, ended=1)
    for one in (now, now, now, replace(now, n_left=0)):
        show(one)
    written = capsys.readouterr().err
    assert "\x1b" not in written
    assert written.count("\n") == 3  # at once, after ten seconds, and at the end


def test_nothing_is_shown_where_nobody_reads(twelve: Study, terminal: Terminal) -> None:
    Watch(quiet=True)(snapshot(twelve, running=2, ended=1))
    assert terminal.getvalue() == ""
