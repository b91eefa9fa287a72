"""The live table of a sweep: redrawn in place on a terminal; in a file, a line now and then."""

import shutil
import sys
import time
from collections.abc import Iterable

from jobs.sweep.wait import SweepProgress
from planners.records.quantity import format_quantity
from planners.records.text_table import text_table

LOGGED_S = 10.0
"""Seconds between lines where standard error is not a terminal."""
BAR = 20
"""Characters of the bar, where the line has room for it."""
ROWS = 12
"""Most runs shown."""


class LiveTable:
    """Shows the progress of a sweep on standard error (`watch` of `train_until_done`); nothing if `quiet`."""

    def __init__(self, *, quiet: bool = False):
        self.quiet, self.live = quiet, sys.stderr.isatty()
        self._drawn, self._logged, self._elapsed_s = 0, -LOGGED_S, 0.0
        self._doubted: set[str] = set()

    def __call__(self, now: SweepProgress) -> None:
        """Show the progress: the whole table on a terminal; elsewhere the totals now and then, and at the end."""
        if now.elapsed_s < self._elapsed_s:  # a new round starts its own table below what was printed between
            self._drawn = 0
        self._elapsed_s = now.elapsed_s
        if self.quiet:
            return
        if self.live:
            self._redraw([headline(now, _columns(), bar=True), *doubts(now.unknown), *table(now)])
            return
        if time.monotonic() - self._logged >= LOGGED_S or not now.n_left:
            print(headline(now), file=sys.stderr, flush=True)
            self._logged = time.monotonic()
        for line in doubts(set(now.unknown) - self._doubted):
            print(line, file=sys.stderr, flush=True)
        self._doubted |= set(now.unknown)

    def _redraw(self, lines: list[str]) -> None:
        columns = _columns()
        move = f"\x1b[{self._drawn}F\x1b[J" if self._drawn else ""
        first, *rest = lines
        sys.stderr.write(move + "".join(line + "\n" for line in (first, *(line[:columns] for line in rest))))
        sys.stderr.flush()
        self._drawn = len(lines)


def _columns() -> int:
    """Return the width of a line that does not wrap, which would need two lines of moving up."""
    return shutil.get_terminal_size().columns - 1


def say(text: str) -> None:
    """Print a sentence on standard error (`say` of `train_until_done`)."""
    start = "\r" if sys.stderr.isatty() else ""  # over the ^C that a terminal shows
    print(start + text, file=sys.stderr)


def headline(now: SweepProgress, width: int = 200, *, bar: bool = False) -> str:
    """Return the totals as one line of at most `width` characters; time left and speed stay at any width.

    `bar` draws the share as a bar, in colour, for a terminal.
    """
    ended = sum(now.ended.values())
    bad = "".join(f", {count} {state}" for state, count in now.ended.items() if state != "done")
    waiting = now.n_left - len(now.running)
    parts = [
        f"{100 * now.share:5.1f} %",
        f"{duration(now.eta_s)} left" if now.eta_s is not None and now.n_left else "",
        f"{format_quantity(now.tokens_per_s)} tokens/s" if now.tokens_per_s else "",
        f"{ended}/{ended + now.n_left} runs ended{bad}",
        f"{len(now.running)} training",
        f"{waiting} waiting",
        f"{duration(now.elapsed_s)} elapsed",
    ]
    parts = [part for part in parts if part]
    while len(parts) > 3 and len(", ".join(parts)) > width:
        parts.pop()
    line = ", ".join(parts)
    cells = min(BAR, width - len(line) - 3) if bar else 0
    if cells < 5:
        return line
    filled = round(cells * now.share)
    return f"\x1b[32m{'█' * filled}\x1b[2m{'░' * (cells - filled)}\x1b[0m {line}"


def doubts(unknown: Iterable[str]) -> list[str]:
    """Return one line for each group of jobs that cannot be checked."""
    return [f"some jobs count as running because {reason}" for reason in unknown]


def table(now: SweepProgress) -> list[str]:
    """Return a table of the runs that are being trained, one line per run."""
    if not now.running:
        return []
    rows = [
        (
            run.spec.run_id,
            f"{run.spec.arm} seed {run.spec.training.seed}",
            f"{100 * run.D_seen / run.spec.training.D:.0f} %",
            None if run.eta_s is None else duration(run.eta_s),
            format_quantity(run.tokens_per_s) if run.tokens_per_s else None,
            None if run.loss is None else f"{run.loss:.4f}",
        )
        for run in now.running[:ROWS]
    ]
    more = [f"… and {len(now.running) - ROWS} more"] if len(now.running) > ROWS else []
    return [*text_table(("run", "arm", "done", "time left", "tokens/s", "train loss"), rows).splitlines(), *more]


def duration(seconds: float) -> str:
    """Return seconds in the unit that a person would choose: s, min or h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
