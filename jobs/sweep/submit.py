"""From a plan of jobs to submitted jobs, under one lock, with a ledger line before and after each submission."""

import os
from collections.abc import Callable, Sequence, Set
from dataclasses import replace

from jobs import snapshot
from jobs.execution import check_shares
from jobs.machine import boot_id, check_devices, host, utc_now
from jobs.processes import start_of
from jobs.run.worker import Worker
from jobs.sweep import executors, slurm
from jobs.sweep.cluster import Cluster
from jobs.sweep.executors import JobNeeds, SubmissionRefused
from jobs.sweep.job_plan import JobArray, JobPlan, plan_jobs
from jobs.sweep.ledger import Ledger, Submission, new_id
from jobs.sweep.slurm import Unreachable, check_slurm
from jobs.sweep.status import RunStatus
from jobs.sweep.study_lock import study_lock
from jobs.sweep.submitted import LiveSubmission, SubmittedJobs, submitted_jobs, write_finished
from planners.records.errors import UsageError, need_packages
from planners.study import Study

LOCK = "sweep.lock"
"""File of a study whose lock is held while jobs are submitted or cancelled."""


def submit(
    study: Study, cluster: Cluster, *, retry: bool | Set[str] = False, say: Callable[[str], None] = lambda text: None
) -> tuple[JobPlan, list[Submission]]:
    """Submit the missing runs, under the lock of the study; return the plan of jobs and what was submitted of it.

    `retry` adds failed runs (see `plan_jobs`); `say` gets a sentence if another sweep holds the lock. Debug jobs are
    also trained here, after the lock is released.
    Raises UsageError if the plan names no corpus, if the cluster cannot be reached or refuses the jobs, or if another
    sweep keeps the lock.
    """
    with study_lock(study.folder / LOCK, say=say) as check_held:
        study.check_links()
        _seal(study, say)
        # planned under the lock: two sweeps at once must not both find a run missing
        plan = plan_jobs(study, cluster, retry=retry)
        write_finished(study, plan.submitted)
        submissions, works = _submit(study, plan, cluster, check_held)
    for submission, work in zip(submissions, works, strict=True):
        work()
        if submission.executor == "debug":
            Ledger(study).ended(submission.id, "it ran in the process that submitted it", {}, {})
    return plan, submissions


def cancel(study: Study, by: str = "--cancel", *, forget: bool = False) -> tuple[int, list[str]]:
    """Cancel all jobs of a study; return how many jobs were asked to end, and what could not be done.

    Workers of this machine write a checkpoint first; Slurm jobs lose the steps since their last one. Jobs that this
    machine can never check are given up, so that their runs can be submitted again. Jobs of a scheduler that does not
    answer stay as they are. With `forget` these are given up too, and jobs that can be checked continue.
    """
    with study_lock(study.folder / LOCK):
        jobs = submitted_jobs(study)
        write_finished(study, jobs)
        reachable = SubmittedJobs(alive=tuple(one for one in jobs.alive if not one.unknown and not forget))
        lost = [one for one in jobs.alive if one.is_out_of_reach or (forget and one.unknown)]
        # before the jobs end: a waiting sweep must not take them for interrupted and submit them again
        for one in (*reachable.alive, *lost):
            Ledger(study).cancelled(one.submission.id, f"{by} on {host()}")
        troubles = _end(reachable.alive)
        for one in lost:
            Ledger(study).ended(one.submission.id, f"given up: {one.unknown}", {}, {})
        troubles += dict.fromkeys(f"{one.unknown}; they were given up" for one in lost)
        silent = (one for one in jobs.alive if one.unknown and one not in lost)
        troubles += dict.fromkeys(
            f"{one.unknown}; its jobs continue: cancel again when it answers, or --forget them" for one in silent
        )
    return reachable.n_jobs, troubles


def check(study: Study, runs: Sequence[RunStatus], cluster: Cluster) -> None:
    """Raise UsageError if the cluster cannot train these runs, or a package for training is not installed."""
    if runs:
        need_packages("training", "torch", "submitit")
    if any(run.spec.data is None for run in runs):
        raise UsageError(
            f"the plan in {study.folder} names no corpus; plan again with --data stdlib, text:PATH or hf:NAME"
        )
    if cluster.kind == "slurm":
        check_slurm()
    else:
        check_devices(cluster.execution.devices)
    for run in runs:
        check_shares(cluster.execution.devices, run.spec.training)


def _seal(study: Study, say: Callable[[str], None]) -> None:
    """Complete `study.json` of an older version, and give a copied or moved study an id of its own."""
    if not study.question_path.exists():
        return
    ledger, id = Ledger(study), study.id()
    others = [one for one in ledger.read() if id and one.study == id and one not in ledger.own()]
    if study.seal(is_copy=bool(others)):
        say(f"{study.question_path} now holds an id of the study, and the length and hash of its plan")
    if others:
        say(f"this study was copied or moved from {others[-1].folder}; the jobs submitted there do not belong to it")


def _end(alive: Sequence[LiveSubmission]) -> list[str]:
    """Ask the jobs to end; return which did not."""
    troubles = []
    try:
        slurm.cancel(id for one in alive if one.submission.executor == "slurm" for id in one.jobs)
    except Unreachable as error:
        troubles.append(f"the jobs on Slurm continue: {error}")
    if not executors.stop_workers([one.submission for one in alive if one.submission.executor != "slurm"]):
        troubles.append("a worker is still busy; it ends by itself after its current evaluation")
    return troubles


def _submit(
    study: Study, plan: JobPlan, cluster: Cluster, check_held: Callable[[], None]
) -> tuple[list[Submission], list[Callable[[], None]]]:
    """Submit the arrays of a plan, parents first; return the submissions and the work left to this process."""
    runs = plan.chosen
    if not runs:
        return [], []
    check(study, runs, cluster)
    code = snapshot.take(study.cluster.absolute() / "code")
    retry = {run.spec.run_id: len(run.attempts) for run in runs if run.state == "failed"}
    worker = _worker(study, cluster, retry, code.name)
    threads = max(run.spec.training.threads for run in runs)
    parents = _jobs_of_parents(runs, plan.submitted)
    submissions: list[Submission] = []
    works = []
    for array in plan.arrays:
        needs = JobNeeds(
            threads=threads,
            workers=plan.workers,
            after=_arrays_before(array, plan.arrays, submissions, parents),
            busy_pids=plan.submitted.local_pids,
        )
        with snapshot.used(code):
            entry = _submission(study, array, cluster, retry)
            check_held()  # as late as possible: taking the snapshot and starting earlier arrays took time
            submission, work = _submit_one(study, entry, worker, cluster, needs, len(submissions))
        submissions.append(submission)
        works.append(work)
    return submissions, works


def _arrays_before(
    array: JobArray, arrays: Sequence[JobArray], submissions: Sequence[Submission], parents: Sequence[str]
) -> tuple[str, ...]:
    """Return the ids of the Slurm arrays that must end before an array starts."""
    earlier = [one for one, its in zip(submissions, arrays, strict=False) if its.generation < array.generation]
    ids = (*parents, *(job.id for one in earlier for job in one.jobs or ()))
    return tuple(dict.fromkeys(id.split("_")[0] for id in ids))


def _submission(study: Study, array: JobArray, cluster: Cluster, retry: dict[str, int]) -> Submission:
    """Return what the ledger will say of an array before it is submitted."""
    ids = {run_id for pack in array.packs for run_id in pack}
    return Submission(
        id=new_id(),
        time=utc_now(),
        host=host(),
        boot=boot_id(),
        pid=os.getpid(),
        pid_start=start_of(os.getpid()),
        study=study.id(),
        folder=os.path.realpath(study.folder),
        executor=cluster.kind,
        packs=array.packs,
        predicted_s=array.predicted_s,
        retry={run_id: count for run_id, count in retry.items() if run_id in ids},
    )


def _submit_one(
    study: Study, submission: Submission, worker: Worker, cluster: Cluster, needs: JobNeeds, n_before: int
) -> tuple[Submission, Callable[[], None]]:
    """Call the executor once, between the two ledger lines. Raises UsageError if it refuses; earlier arrays remain."""
    ledger = Ledger(study)
    ledger.submitting(submission)
    try:
        # each submission has its own folder: job ids repeat, and an old job's files could be taken for the new one's
        folder = study.cluster.absolute() / submission.id
        jobs, work = executors.start_jobs(folder, submission, worker, cluster, needs)
    except SubmissionRefused as error:
        ledger.refused(submission.id, str(error))
        accepted = f"; {n_before} arrays before it were accepted" if n_before else ""
        raise UsageError(
            f"sbatch refused the jobs ({error}){accepted}; check --partition, --account, --qos, --gpus-per-run,"
            " --timeout-min, --slurm wckey=NAME; if it limits how many jobs may be submitted or run: --max-jobs,"
            " --pack, --parallel"
        ) from None
    ledger.submitted(submission.id, jobs)
    return replace(submission, jobs=jobs), work


def _worker(study: Study, cluster: Cluster, retry: dict[str, int], code: str) -> Worker:
    return Worker(
        str(study.folder.absolute()),
        cluster.run_execution,
        attempts=cluster.attempts,
        retry=retry,
        limit_s=cluster.warned_after_s if cluster.kind == "slurm" else None,
        code=code,
        devices=cluster.devices_of_run,
    )


def _jobs_of_parents(runs: Sequence[RunStatus], submitted: SubmittedJobs) -> list[str]:
    """Return the ids of Slurm jobs, submitted before, that train a parent of these runs."""
    parents = {run.spec.training.init_from for run in runs} - {None}
    alive = [one for one in submitted.alive if one.submission.executor == "slurm" and parents & one.run_ids]
    return [id for one in alive for id in one.jobs]
