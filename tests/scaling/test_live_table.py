"""The live table, read from a small terminal emulator; in a file, lines now and then."""

import io
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from jobs.sweep.status import RunStatus
from jobs.sweep.wait import SweepProgress
from planners import Study
from scaling import live_table
from scaling.live_table import LiveTable


class Terminal(io.StringIO):
    """Standard error that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def screen(written: str, columns: int) -> list[str]:
    """Return the lines that a terminal shows: it wraps lines, moves the cursor up and erases what is below."""
    lines, row = [""], 0
    written = re.sub(r"\x1b\[\d*m", "", written)  # colours
    for up, erase, newline, text in re.findall(r"\x1b\[(\d+)F|(\x1b\[J)|(\n)|([^\x1b\n]+)", written):
        if up:
            row -= int(up)
            assert row >= 0, "it moved above its own lines"
        elif erase:
            lines[row:] = [""]
        elif newline:
            row += 1
            lines += [""] * (row == len(lines))
        else:
            assert lines[row] == "", "it wrote over a line that it had not erased"
            wrapped = [text[at : at + columns] for at in range(0, len(text), columns)]
            lines[row : row + 1] = wrapped
            row += len(wrapped) - 1
    return lines[:-1]


def progress(study: Study, *, running: int, ended: int, **more: object) -> SweepProgress:
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
    return SweepProgress(**{**given, "share": ended / 12, "elapsed_s": 60.0, "eta_s": 90.0, **more})  # type: ignore[arg-type]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal()
    monkeypatch.setattr(live_table, "sys", SimpleNamespace(stderr=made))
    monkeypatch.setenv("COLUMNS", "70")
    return made


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_speed_and_remaining_time_stay_at_any_width(columns: int, twelve: Study) -> None:
    line = live_table.headline(progress(twelve, running=3, ended=6), columns, bar=True)
    shown = re.sub(r"\x1b\[\d*m", "", line)
    assert len(shown) <= columns
    assert "50.0 %, 90 s left, 300 tokens/s" in shown
    assert "\x1b" not in live_table.headline(progress(twelve, running=3, ended=6))


def test_the_table_is_redrawn_in_place(twelve: Study, terminal: Terminal) -> None:
    terminal.write("what was there before\n")
    show = LiveTable()
    show(progress(twelve, running=3, ended=0))
    shown = screen(terminal.getvalue(), 70)
    assert shown[0] == "what was there before"
    assert shown[1] == f"{'░' * 5}   0.0 %, 90 s left, 300 tokens/s, 0/12 runs ended, 3 training"
    assert shown[2].split() == ["run", "arm", "done", "time", "left", "tokens/s", "train", "loss"]
    for line, spec in zip(shown[3:], twelve.runs()[:3], strict=True):
        assert line.split() == [spec.run_id, spec.arm, "seed", "0", "25", "%", "30", "s", "100", "2.5000"]
    show(progress(twelve, running=1, ended=6, unknown=("processes on elsewhere cannot be checked",)))
    shown = screen(terminal.getvalue(), 70)
    assert shown[0] == "what was there before"
    assert shown[1].startswith("██░░░  50.0 %, 90 s left, 100 tokens/s, 6/12 runs ended")
    assert shown[2].startswith("some jobs count as running because processes on elsewhere")
    assert len(shown) == 5
    show(progress(twelve, running=0, ended=12))
    shown = screen(terminal.getvalue(), 70)
    assert shown[1].startswith("100.0 %, 12/12 runs ended, 0 training")
    assert len(shown) == 2


def test_a_long_table_is_cut(twelve: Study, terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_table, "ROWS", 4)
    LiveTable()(progress(twelve, running=9, ended=0))
    shown = screen(terminal.getvalue(), 70)
    assert shown[-1] == "… and 5 more"
    assert len(shown) == 1 + 1 + 4 + 1


def test_a_file_gets_the_totals_now_and_then(
    twelve: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    clock = iter([0.0, 0.0, 4.0, 11.0, 11.0, 12.0, 12.0])
    monkeypatch.setattr("scaling.live_table.time.monotonic", lambda: next(clock))
    show = LiveTable()
    now = progress(twelve, running=2, ended=1)
    for one in (now, now, now, replace(now, n_left=0)):
        show(one)
    written = capsys.readouterr().err
    assert "\x1b" not in written
    assert written.count("\n") == 3  # at once, after ten seconds, and at the end


def test_a_quiet_table_shows_nothing(twelve: Study, terminal: Terminal) -> None:
    LiveTable(quiet=True)(progress(twelve, running=2, ended=1))
    assert terminal.getvalue() == ""
