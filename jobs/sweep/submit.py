"""From an order to jobs: decided and submitted under one lock, with a line in the ledger before and after."""

import os
from collections.abc import Callable, Sequence, Set
from dataclasses import replace

from jobs import snapshot
from jobs.execution import check_shares
from jobs.machine import check_devices
from jobs.processes import boot, host
from jobs.run.worker import Worker
from jobs.sweep import executors, slurm
from jobs.sweep.cluster import Cluster
from jobs.sweep.executors import Needs, Refused, Started
from jobs.sweep.job_plan import Array, Order, decide
from jobs.sweep.ledger import Ledger, Submission, new_id, now
from jobs.sweep.slurm import Unreachable, check_slurm
from jobs.sweep.status import RunStatus
from jobs.sweep.study_lock import check_flock, study_lock
from jobs.sweep.submitted import Flight, in_flight, land
from planners.records.errors import UsageError
from planners.study import Study

LOCK = "sweep.lock"
"""File of a study that whoever submits or cancels holds."""


def sweep(
    study: Study, cluster: Cluster, *, retry: bool | Set[str] = False, say: Callable[[str], None] = lambda text: None
) -> tuple[Order, list[Submission]]:
    """Submit what is missing, under the lock of the study; return the order and what was submitted of it.

    Under debug it is also trained, after the lock is released. `say` is told what a person should know meanwhile.
    Raises UsageError where the study names no corpus, the cluster cannot be reached or refuses, or another sweep
    keeps the lock.
    """
    with study_lock(study.folder / LOCK, say=say) as check_held:
        order = decide(study, cluster, retry=retry)
        land(study, order.flight)
        submissions, works = _submit(study, order, cluster, check_held)
    for submission, work in zip(submissions, works, strict=True):
        work()
        if submission.executor == "debug":
            Ledger(study).ended(submission.id, "it ran in the process that submitted it", {})
    return order, submissions


def cancel(study: Study, by: str = "--cancel") -> tuple[int, list[str]]:
    """End all that is in flight; return how many jobs were asked to end, and what could not be asked.

    Workers of this machine write a checkpoint first; jobs of Slurm lose what came after their last one. Jobs that can
    never be reached from here are given up, so that their runs can be submitted again; those of a scheduler that does
    not answer go on.
    """
    with study_lock(study.folder / LOCK):
        flight = in_flight(study)
        land(study, flight)
        asked = Flight(alive=tuple(one for one in flight.alive if not one.unknown))
        lost = [one for one in flight.alive if one.is_out_of_reach]
        for one in (*asked.alive, *lost):
            Ledger(study).cancelled(one.submission.id, f"{by} on {host()}")
        troubles = _end(asked)
        for one in lost:
            Ledger(study).ended(one.submission.id, f"given up: {one.unknown}", {})
        troubles += dict.fromkeys(f"{one.unknown}; they were given up" for one in lost)
        deaf = (one for one in flight.alive if one.unknown and not one.is_out_of_reach)
        troubles += dict.fromkeys(f"{one.unknown}; its jobs go on, cancel again when it answers" for one in deaf)
    return asked.n_jobs, troubles


def _end(flight: Flight) -> list[str]:
    """Ask the jobs to end; return what did not do so."""
    troubles = []
    try:
        slurm.cancel(id for one in flight.alive if one.submission.executor == "slurm" for id in one.jobs)
    except Unreachable as error:
        troubles.append(f"the jobs on Slurm go on: {error}")
    if not executors.stop([one.submission for one in flight.alive if one.submission.executor != "slurm"]):
        troubles.append("a worker is still busy; it ends by itself after its present evaluation")
    return troubles


def _submit(
    study: Study, order: Order, cluster: Cluster, check_held: Callable[[], None]
) -> tuple[list[Submission], list[Callable[[], None]]]:
    """Submit the arrays of an order, with a line in the ledger before and after each."""
    chosen = set(order.run_ids)
    runs = [run for run in order.statuses if run.spec.run_id in chosen]
    if not runs:
        return [], []
    check(study, runs, cluster)
    code = snapshot.take(study.cluster.absolute() / "code")
    retry = {run.spec.run_id: len(run.attempts) for run in runs if run.state == "failed"}
    worker = _worker(study, cluster, retry, code.name)
    threads = max(run.spec.training.threads for run in runs)
    submissions: list[Submission] = []
    works = []
    after = _parents_in_flight(runs, order.flight)
    for array in order.arrays:
        before = [one for one, its in zip(submissions, order.arrays, strict=False) if its.generation < array.generation]
        waits = (*after, *(job.id for one in before for job in one.jobs or ()))
        arrays_before = tuple(dict.fromkeys(id.split("_")[0] for id in waits))
        needs = Needs(threads=threads, workers=order.workers, after=arrays_before, beside=order.flight.here)
        with snapshot.used(code):
            entry = _submission(array, cluster, retry)
            check_held()
            submission, started = _submit_one(study, entry, worker, cluster, needs, len(submissions))
        submissions.append(submission)
        works.append(started.work)
    return submissions, works


def _submission(array: Array, cluster: Cluster, retry: dict[str, int]) -> Submission:
    """Return what the ledger will say of an array before it is submitted."""
    ids = {run_id for pack in array.packs for run_id in pack}
    return Submission(
        id=new_id(),
        time=now(),
        host=host(),
        boot=boot(),
        pid=os.getpid(),
        executor=cluster.kind,
        packs=array.packs,
        predicted_s=array.predicted_s,
        retry={run_id: count for run_id, count in retry.items() if run_id in ids},
    )


def _submit_one(
    study: Study, submission: Submission, worker: Worker, cluster: Cluster, needs: Needs, n_before: int
) -> tuple[Submission, Started]:
    """Call the executor once. Raises UsageError where it refuses; what was submitted before stays so."""
    ledger = Ledger(study)
    ledger.submitting(submission)
    try:
        # a folder of its own for every submission: a job id used again could otherwise show an old job's state
        folder = study.cluster.absolute() / submission.id
        started = executors.start(folder, submission, worker, cluster, needs)
    except Refused as error:
        ledger.refused(submission.id, str(error))
        taken = f"; {n_before} arrays before it were taken" if n_before else ""
        raise UsageError(
            f"sbatch refused the jobs ({error}){taken}; see --partition, --account, --gpus-per-run, --timeout-min"
        ) from None
    ledger.submitted(submission.id, started.jobs)
    return replace(submission, jobs=started.jobs), started


def check(study: Study, runs: Sequence[RunStatus], cluster: Cluster) -> None:
    """Raise UsageError where runs cannot be trained there."""
    if any(run.spec.data is None for run in runs):
        raise UsageError(
            f"the plan in {study.folder} names no corpus; plan again with --data stdlib, text:PATH or hf:NAME"
        )
    check_flock(study.folder / LOCK)
    if cluster.kind == "slurm":
        check_slurm()
    else:
        check_devices(cluster.execution.devices)
    for run in runs:
        check_shares(cluster.execution.devices, run.spec.training)


def _worker(study: Study, cluster: Cluster, retry: dict[str, int], code: str) -> Worker:
    warned = cluster.limit_min * 60 - (cluster.warn_s or 90)
    return Worker(
        str(study.folder.absolute()),
        cluster.executed,
        attempts=cluster.attempts,
        retry=retry,
        limit_s=warned if cluster.kind == "slurm" else None,
        code=code,
        devices=cluster.devices_of_run,
    )


def _parents_in_flight(runs: Sequence[RunStatus], flight: Flight) -> list[str]:
    """Return the Slurm jobs that train a parent of these runs."""
    parents = {run.spec.training.init_from for run in runs} - {None}
    alive = [one for one in flight.alive if one.submission.executor == "slurm" and parents & one.run_ids]
    return [id for one in alive for id in one.jobs]
