"""The live table of a sweep: redrawn in place on a terminal, a line now and then in a file."""

import sys
import time

from jobs.follow import Snapshot
from planners.quantity import format_quantity
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

    def __call__(self, now: Snapshot) -> None:
        """Show a snapshot: all of it on a terminal, its first line now and then (and the last one) elsewhere."""
        if self.quiet:
            return
        if self.live:
            lines = [headline(now), *table(now)]
            sys.stderr.write(f"\x1b[{self._drawn}F\x1b[J" if self._drawn else "")
            sys.stderr.write("\n".join(lines) + "\n")
            sys.stderr.flush()
            self._drawn = len(lines)
        elif time.monotonic() - self._said >= LOGGED_S or not now.n_left:
            print(headline(now), file=sys.stderr, flush=True)
            self._said = time.monotonic()


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
