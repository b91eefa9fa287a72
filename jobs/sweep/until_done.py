"""A whole sweep: submit the missing runs, wait, submit interrupted runs again, until no run is due."""

import os
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from jobs.run.end_signals import as_ctrl_c
from jobs.sweep import executors
from jobs.sweep.cluster import Cluster
from jobs.sweep.job_plan import JobPlan, is_under_way
from jobs.sweep.ledger import Ledger, Submission
from jobs.sweep.status import RunStatus, status
from jobs.sweep.submit import submit
from jobs.sweep.submitted import submitted_jobs
from jobs.sweep.wait import SweepProgress, wait_for_runs
from planners.study import Study


@dataclass(frozen=True, kw_only=True, repr=False)
class SweepResult:
    """What a sweep did."""

    submitted: tuple[Submission, ...]
    """What it submitted."""
    withheld: tuple[str, ...]
    """Why some runs were not submitted, one sentence per cap."""
    joined: int
    """Number of runs whose jobs were already submitted when it began."""

    def __str__(self) -> str:
        n_runs = len({run_id for one in self.submitted for run_id in one.run_ids})
        n_jobs = sum(len(one.jobs or ()) for one in self.submitted)
        before = f"; {self.joined} runs had been submitted before" if self.joined else ""
        return "\n".join(
            [f"submitted {n_runs} runs in {n_jobs} jobs{before}", *map("withheld: {}".format, self.withheld)]
        )

    def __repr__(self) -> str:
        return f"<SweepResult: {'; '.join(str(self).splitlines())}>"


@as_ctrl_c()
def train_until_done(
    study: Study,
    cluster: Cluster,
    *,
    wait: bool | None = None,
    retry: bool = False,
    watch: Callable[[SweepProgress], None] = lambda now: None,
    say: Callable[[str], None] = lambda text: None,
) -> SweepResult:
    """Train the runs of a study that have no record yet, in rounds, until none is due or a cap is reached.

    Args:
        study: a planned study; its records say which runs are missing.
        cluster: where jobs run, and the caps on jobs, attempts and device-hours.
        wait: whether to stay until the jobs end; None: stay, except on Slurm (see `waits`). Without waiting there is
            one round.
        retry: train failed runs again too, each once.
        watch: called with the progress every half second or more.
        say: called with single sentences that a person should see.

    Raises UsageError if the runs cannot be submitted (see `jobs.sweep.submit.submit`), and passes on
    KeyboardInterrupt, which signals that end a process raise too. An interrupt leaves the jobs running, with one
    exception: without an explicit `wait=True`, workers that this call started on this machine are asked to write a
    checkpoint and end.

    Example:
        >>> train_until_done(Study("studies/x"), Cluster(parallel=2), say=print)  # doctest: +SKIP
    """
    before = {one.id for one in Ledger(study).read()}
    submitted: list[Submission] = []
    watched: set[str] = set()
    to_retry: bool | Set[str] = retry
    joined = 0
    try:
        while True:
            plan, new = submit(study, cluster, retry=to_retry, say=say)
            submitted += new
            to_retry = _still_to_retry(plan, to_retry) - {run_id for one in new for run_id in one.run_ids}
            watched |= {
                one.id for one in (*(one.submission for one in plan.submitted.alive), *new) if not one.cancelled
            }
            under_way = _under_way(plan, new)
            joined = joined or sum(run.has_job for run in under_way)
            result = SweepResult(submitted=tuple(submitted), withheld=plan.withheld, joined=joined)
            if not waits(cluster, wait) or not under_way:
                return result
            room_for = cluster.max_jobs if plan.is_full else None
            wait_for_runs(study, under_way, watch, executor=_slowest_executor(plan, cluster), room_for=room_for)
            executors.wait_for_exit(new)
            if _work_done(status(study)) == _work_done(plan.statuses) or _is_cancelled(study, watched, say):
                return result
    except KeyboardInterrupt:
        _stop_own_workers(study, None if wait else before, say)
        raise


def waits(cluster: Cluster, wait: bool | None) -> bool:
    """Whether a sweep stays until its jobs end: as `wait` says; if that is None, on this machine but not on Slurm."""
    return cluster.kind != "slurm" if wait is None else wait


def _still_to_retry(plan: JobPlan, to_retry: bool | Set[str]) -> Set[str]:
    """Return the ids of failed runs to retry; True stands for all that had failed before the first round."""
    if isinstance(to_retry, Set):
        return to_retry
    return {run.spec.run_id for run in plan.statuses if to_retry and run.failure}


def _under_way(plan: JobPlan, new: list[Submission]) -> list[RunStatus]:
    """Return the runs that are being trained or have a job, from this sweep or another one."""
    started = {run_id for one in new for run_id in one.run_ids}
    return [run for run in plan.statuses if run.spec.run_id in started or is_under_way(run)]


def _work_done(statuses: Sequence[RunStatus]) -> tuple[int, int]:
    """Return the numbers of records and attempts; if a round changes neither, another round would change nothing.

    Attempts that ended on a full disk do not count towards the limit of attempts, so they do not count here either:
    otherwise a full disk would mean rounds without end.
    """
    attempts = [attempt for run in statuses for attempt in run.attempts if attempt.failure != "disk_full"]
    return sum(run.record is not None for run in statuses), len(attempts)


def _is_cancelled(study: Study, watched: set[str], say: Callable[[str], None]) -> bool:
    """Whether somebody has cancelled one of the watched submissions; earlier cancellations are not watched."""
    by = next((one.cancelled for one in Ledger(study).read() if one.id in watched and one.cancelled), None)
    if by is not None:
        say(f"cancelled by {by}; this sweep submits nothing more")
    return by is not None


def _slowest_executor(plan: JobPlan, cluster: Cluster) -> str:
    kinds = {one.submission.executor for one in plan.submitted.alive} | {cluster.kind}
    return "slurm" if "slurm" in kinds else cluster.kind


def _stop_own_workers(study: Study, before: Set[str] | None, say: Callable[[str], None]) -> None:
    """Stop the workers that this process started here since the ids `before`, and say whether jobs are left running.

    The ledger knows them even if the signal came while they were being started. If `before` is None, none is stopped.
    """
    local = [one.submission for one in submitted_jobs(study).alive if one.submission.executor == "local"]
    own = [one for one in local if before is not None and one.id not in before and one.pid == os.getpid()]
    if own and not executors.stop_workers(own):
        say("a worker is still busy; it ends by itself after its current evaluation")
    if submitted_jobs(study).alive:
        say("the jobs continue; --status shows them, --cancel ends them, --go --wait watches them")
