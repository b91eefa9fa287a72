"""Watching runs until they end, or nobody is at them any more; with memory and work that do not grow with time."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jobs.sweep.status import RunStatus, run_status
from jobs.sweep.submitted import Flight, in_flight
from planners.study import Study

POLL_S = 0.5
"""Seconds between looks at the files of the runs, where a look takes less than a twentieth of that."""
LOOK_S = {"local": 3.0, "debug": 3.0, "slurm": 15.0}
"""Seconds between looks at processes and queues: processes are cheap to ask, a scheduler is not."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The runs that are followed, now."""

    ended: dict[str, int]
    """Runs that ended meanwhile, by state."""
    running: tuple[RunStatus, ...]
    """Runs that are being trained."""
    n_left: int
    """Runs that have not ended."""
    share: float
    """Share of the training FLOPs of all of them that is done."""
    elapsed_s: float
    """Seconds since they are followed."""
    eta_s: float | None
    """Seconds that are left at the pace so far; null before there is one."""
    unknown: tuple[str, ...] = ()
    """What could not be asked at the last look, so that it may be waited for in vain, one sentence each."""

    @property
    def tokens_per_s(self) -> float:
        """Training tokens per second of all runs that are being trained."""
        return sum(run.tokens_per_s or 0.0 for run in self.running)


def follow(
    study: Study,
    runs: Sequence[RunStatus],
    show: Callable[[Snapshot], None],
    *,
    executor: str = "local",
    room_for: int | None = None,
) -> None:
    """Show progress until `runs` have new records, or nothing is in flight or running for them any more.

    With `room_for`, also until fewer jobs than that are in flight.
    """
    left = {run.spec.run_id: run for run in runs}
    ended: Counter[str] = Counter()
    total, begun = sum(run.spec.C for run in runs), sum(run.C_seen for run in runs if not run.record)
    start, looked = time.monotonic(), time.monotonic() - LOOK_S[executor] + POLL_S
    unknown: list[str] = []
    while left:
        clock = time.monotonic()
        now = _look_at(study, left, ended)
        seen = total - sum(first.spec.C for first in left.values()) + sum(run.C_seen for run in now if not run.record)
        running = tuple(run for run in now if run.state == "running")
        show(_snapshot(ended, running, len(left), seen, total, begun, clock - start, unknown))
        if not left:
            return
        if clock - looked > LOOK_S[executor]:
            flight, looked = in_flight(study), time.monotonic()
            unknown = flight.unknown
            if _is_over(flight, left, running, room_for):
                _look_at(study, left, ended)  # what was written between the two looks
                return
        time.sleep(max(POLL_S, 19 * (time.monotonic() - clock)))


def _look_at(study: Study, left: dict[str, RunStatus], ended: Counter[str]) -> list[RunStatus]:
    """Return the status of the runs that have not ended; those that have are counted and left out from now on."""
    now = []
    for run_id, first in list(left.items()):
        run = run_status(study, first.spec)
        if run.record is not None and run.record != first.record:
            ended[run.record.state] += 1
            del left[run_id]
        else:
            now.append(run)
    return now


def _is_over(flight: Flight, left: dict[str, RunStatus], running: tuple[RunStatus, ...], room_for: int | None) -> bool:
    if room_for is not None and flight.n_jobs < room_for:
        return True
    return not running and not (flight.run_ids & set(left))


def _snapshot(
    ended: Counter[str],
    running: tuple[RunStatus, ...],
    n_left: int,
    seen: float,
    total: float,
    begun: float,
    elapsed_s: float,
    unknown: Sequence[str],
) -> Snapshot:
    gained = seen - begun
    return Snapshot(
        ended=dict(ended),
        running=running,
        n_left=n_left,
        share=seen / total,
        elapsed_s=elapsed_s,
        eta_s=elapsed_s * (total - seen) / gained if gained > 0 else None,
        unknown=tuple(unknown),
    )
