"""Waiting for the runs of a sweep, until they have ended or have no job any more, with their progress.

Memory and work per look do not grow with time: a run that has ended is counted and not looked at again.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jobs.sweep.status import RunStatus, run_status
from jobs.sweep.submitted import SubmittedJobs, submitted_jobs
from planners.study import Study

POLL_S = 0.5
"""Least seconds between looks at the files of the runs; looking takes at most a twentieth of the time."""
CHECK_S = {"local": 3.0, "debug": 3.0, "slurm": 15.0}
"""Seconds between checks of the jobs, by executor: local processes are cheap to check, a scheduler is not."""


@dataclass(frozen=True, kw_only=True)
class SweepProgress:
    """The runs that a sweep waits for, now."""

    ended: dict[str, int]
    """Number of runs that have ended while it waited, by state."""
    running: tuple[RunStatus, ...]
    """Runs that are being trained."""
    n_left: int
    """Number of runs that have not ended."""
    share: float
    """Fraction of all their training FLOPs that is done, 0 to 1."""
    elapsed_s: float
    """Seconds since the sweep began to wait."""
    eta_s: float | None
    """Seconds left at the pace so far; null before there is one."""
    unknown: tuple[str, ...] = ()
    """Which jobs could not be checked at the last check, one sentence each; the sweep may wait for them in vain."""

    @property
    def tokens_per_s(self) -> float:
        """Training tokens per second, summed over the runs being trained."""
        return sum(run.tokens_per_s or 0.0 for run in self.running)


def wait_for_runs(
    study: Study,
    runs: Sequence[RunStatus],
    watch: Callable[[SweepProgress], None],
    *,
    executor: str = "local",
    room_for: int | None = None,
) -> None:
    """Wait until `runs` have new records, or none of them is running or has a job; `watch` gets the progress meanwhile.

    With `room_for`, return as soon as fewer jobs than that are alive. `executor` sets how often jobs are checked.
    """
    left = {run.spec.run_id: run for run in runs}
    ended: Counter[str] = Counter()
    total, at_start = sum(run.spec.C for run in runs), sum(run.C_seen for run in runs if not run.record)
    start, checked = time.monotonic(), time.monotonic() - CHECK_S[executor] + POLL_S
    unknown: tuple[str, ...] = ()
    while left:
        clock = time.monotonic()
        now = _look(study, left, ended)
        seen = total - sum(first.spec.C for first in left.values()) + sum(run.C_seen for run in now if not run.record)
        running = tuple(run for run in now if run.state == "running")
        elapsed_s, gained = clock - start, seen - at_start
        watch(
            SweepProgress(
                ended=dict(ended),
                running=running,
                n_left=len(left),
                share=seen / total,
                elapsed_s=elapsed_s,
                eta_s=elapsed_s * (total - seen) / gained if gained > 0 else None,
                unknown=unknown,
            )
        )
        if not left:
            return
        if clock - checked > CHECK_S[executor]:
            jobs, checked = submitted_jobs(study), time.monotonic()
            unknown = tuple(jobs.unknown)
            if _is_over(jobs, left, running, room_for):
                _look(study, left, ended)  # counts the records written between the look and the check
                return
        time.sleep(max(POLL_S, 19 * (time.monotonic() - clock)))


def _look(study: Study, left: dict[str, RunStatus], ended: Counter[str]) -> list[RunStatus]:
    """Return the status of the runs in `left`; count and remove the ones that have a new record."""
    now = []
    for run_id, first in list(left.items()):
        run = run_status(study, first.spec)
        if run.record is not None and run.record != first.record:
            ended[run.record.state] += 1
            del left[run_id]
        else:
            now.append(run)
    return now


def _is_over(
    jobs: SubmittedJobs, left: dict[str, RunStatus], running: tuple[RunStatus, ...], room_for: int | None
) -> bool:
    if room_for is not None and jobs.n_jobs < room_for:
        return True
    return not running and not (jobs.run_ids & set(left))
