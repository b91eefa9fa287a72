"""Training what a study lacks, in rounds: submit, follow, submit again what was interrupted, until nothing is due."""

import sys
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from jobs.sweep import executors
from jobs.sweep.cluster import Cluster
from jobs.sweep.follow import Snapshot, follow
from jobs.sweep.job_plan import Order
from jobs.sweep.ledger import Ledger, Submission
from jobs.sweep.status import RunStatus, status
from jobs.sweep.submit import sweep
from jobs.sweep.submitted import in_flight
from planners import Study


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What a sweep did."""

    submitted: tuple[Submission, ...]
    """What it submitted."""
    withheld: tuple[str, ...]
    """Why wanted runs were not submitted."""
    followed: int
    """Runs that were in flight already."""


def train(
    study: Study,
    cluster: Cluster,
    *,
    wait: bool | None = None,
    retry: bool = False,
    watch: Callable[[], Callable[[Snapshot], None]] = lambda: lambda now: None,
    say: Callable[[str], None] = lambda text: None,
) -> Trained:
    """Train the runs of a study that have no record, and failed ones once more where `retry` asks for it.

    Jobs are followed if `wait` says so, see `waits`. `watch` makes what shows the snapshots of one round; `say` gets
    one sentence at a time. An interrupt is passed on. It leaves jobs running, except workers that this process started
    on this machine without having been told to wait: they stop at a checkpoint.
    """
    submitted: list[Submission] = []
    watched: set[str] = set()
    again: bool | Set[str] = retry
    followed = 0
    try:
        while True:
            order, new = sweep(study, cluster, retry=again, say=say)
            submitted += new
            again = _to_try_again(order, again) - {run_id for one in new for run_id in one.run_ids}
            watched |= {one.id for one in _open(order, new) if not one.cancelled}
            flying = _flying(order, new)
            followed = followed or sum(run.in_flight for run in flying)
            trained = Trained(submitted=tuple(submitted), withheld=order.withheld, followed=followed)
            if not waits(cluster, wait) or not flying:
                return trained
            room_for = cluster.max_jobs if order.is_full else None
            follow(study, flying, watch(), executor=_slowest(order, cluster), room_for=room_for)
            executors.leave(new)
            if _progress(status(study)) == _progress(order.statuses) or _is_cancelled(study, watched, say):
                return trained
    except KeyboardInterrupt:
        _interrupted(study, [] if wait else submitted)
        raise


def waits(cluster: Cluster, wait: bool | None) -> bool:
    """Whether a sweep stays until its jobs end: as it is told, else on this machine and not on Slurm."""
    return cluster.kind != "slurm" if wait is None else wait


def _to_try_again(order: Order, again: bool | Set[str]) -> Set[str]:
    """Return the runs that had failed when the first round asked for all of them; each is tried again once."""
    return again if isinstance(again, Set) else {run.spec.run_id for run in order.statuses if again and run.failure}


def _flying(order: Order, new: list[Submission]) -> list[RunStatus]:
    """Return the runs that are at work: submitted just now, or before, by whomever."""
    started = {run_id for one in new for run_id in one.run_ids}
    return [run for run in order.statuses if run.spec.run_id in started or run.in_flight or run.state == "running"]


def _progress(statuses: Sequence[RunStatus]) -> tuple[int, int]:
    """Return what grows as long as jobs do anything at all; two rounds with one value would go on for ever.

    A full disk counts no attempt, so a round of nothing else is no progress.
    """
    attempts = [attempt for run in statuses for attempt in run.attempts if attempt.failure != "disk_full"]
    return sum(run.record is not None for run in statuses), len(attempts)


def _open(order: Order, new: list[Submission]) -> list[Submission]:
    """Return the submissions that are in flight: those of before, by whomever, and the new ones."""
    return [*(one.submission for one in order.flight.alive), *new]


def _is_cancelled(study: Study, watched: set[str], say: Callable[[str], None]) -> bool:
    """Whether somebody has asked for the end of what is watched; what was cancelled before is not watched."""
    by = next((one.cancelled for one in Ledger(study).read() if one.id in watched and one.cancelled), None)
    if by is not None:
        say(f"ended by {by}; nothing more is submitted")
    return by is not None


def _slowest(order: Order, cluster: Cluster) -> str:
    kinds = {one.submission.executor for one in order.flight.alive} | {cluster.kind}
    return "slurm" if "slurm" in kinds else cluster.kind


def _interrupted(study: Study, submitted: list[Submission]) -> None:
    """Stop what this process started on this machine, and say what goes on."""
    mine = [one for one in submitted if one.executor == "local"]
    if mine and not executors.stop(mine):
        print("a worker is still busy; it ends by itself after its present evaluation", file=sys.stderr)
    if in_flight(study).alive:
        print("\nthe jobs go on; --status shows them, --cancel ends them, --go --wait watches them", file=sys.stderr)
