"""The live table of a sweep: redrawn in place on a terminal, a line now and then in a file."""

import shutil
import sys
import time
from collections.abc import Callable, Iterable
from typing import TypedDict

from jobs.sweep.follow import Snapshot
from planners.records.quantity import format_quantity
from scaling import cli

LOGGED_S = 10.0
"""Seconds between lines where standard error is no terminal."""
ROWS = 12
"""Runs that are shown at most."""


class Watch:
    """Shows snapshots on standard error; nothing where it is `quiet`."""

    def __init__(self, *, quiet: bool = False):
        self.quiet, self.live = quiet, sys.stderr.isatty()
        self._drawn, self._said = 0, -LOGGED_S
        self._doubted: set[str] = set()

    def __call__(self, now: Snapshot) -> None:
        """Show a snapshot: all of it on a terminal, sums now and then (and at the end) elsewhere."""
        if self.quiet:
            return
        if self.live:
            columns = shutil.get_terminal_size().columns - 1  # a line that wraps would be two to move up over
            lines = [line[:columns] for line in (headline(now), *doubts(now.unknown), *table(now))]
            sys.stderr.write(f"\x1b[{self._drawn}F\x1b[J" if self._drawn else "")
            sys.stderr.write("\n".join(lines) + "\n")
            sys.stderr.flush()
            self._drawn = len(lines)
            return
        if time.monotonic() - self._said >= LOGGED_S or not now.n_left:
            print(headline(now), file=sys.stderr, flush=True)
            self._said = time.monotonic()
        for line in doubts(set(now.unknown) - self._doubted):
            print(line, file=sys.stderr, flush=True)
        self._doubted |= set(now.unknown)


class Shown(TypedDict):
    """How a sweep shows what it does."""

    watch: Callable[[], Watch]
    say: Callable[[str], None]


def shown(*, quiet: bool) -> Shown:
    """Return what `jobs.sweep.until_done.train` shows its rounds and its sentences with, on standard error."""
    return {"watch": lambda: Watch(quiet=quiet), "say": lambda text: None if quiet else print(text, file=sys.stderr)}


def headline(now: Snapshot) -> str:
    """Return the sums as one line."""
    ended = sum(now.ended.values())
    bad = "".join(f", {count} {state}" for state, count in now.ended.items() if state != "done")
    speed = f", {format_quantity(now.tokens_per_s)} tokens/s" if now.tokens_per_s else ""
    eta = f", {duration(now.eta_s)} left" if now.eta_s is not None and now.n_left else ""
    waiting = now.n_left - len(now.running)
    return (
        f"{now.share:6.1%}  {ended}/{ended + now.n_left} runs ended{bad}, {len(now.running)} training,"
        f" {waiting} waiting{speed}, {duration(now.elapsed_s)} elapsed{eta}"
    )


def doubts(unknown: Iterable[str]) -> list[str]:
    """Return what is waited for though it cannot be asked, a line each."""
    return [f"taken to be in flight, because {reason}" for reason in unknown]


def table(now: Snapshot) -> list[str]:
    """Return the runs that are being trained, a line each."""
    if not now.running:
        return []
    rows = [
        (
            run.spec.run_id,
            f"{run.spec.arm} seed {run.spec.training.seed}",
            f"{run.D_seen / run.spec.training.D:.0%}",
            None if run.eta_s is None else duration(run.eta_s),
            format_quantity(run.tokens_per_s) if run.tokens_per_s else None,
            None if run.loss is None else f"{run.loss:.4f}",
        )
        for run in now.running[:ROWS]
    ]
    more = [f"… and {len(now.running) - ROWS} more"] if len(now.running) > ROWS else []
    return [*cli.table(("run", "arm", "done", "left", "tokens/s", "train loss"), rows).splitlines(), *more]


def duration(seconds: float) -> str:
    """Return seconds as a person says them."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
