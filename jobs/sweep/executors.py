"""One call, three places: processes of this machine, a Slurm array, or this process. All through submitit."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.machine import places, visible_gpus
from jobs.processes import environment
from jobs.sweep import slurm
from jobs.sweep.cluster import Cluster
from jobs.sweep.ledger import Job, Submission
from jobs.sweep.slurm import Unreachable, clean_environment
from jobs.sweep.submitted import jobs_of, processes_of
from planners.records.errors import UsageError

MONTH_MIN = 60 * 24 * 30
STOP_S = 30.0
"""Seconds that workers of this machine are given to write their checkpoints when they are asked to end."""
LEAVE_S = 5.0
CORES_OF_GPU = 4
"""Cores for each GPU, at least: backward pass, exchange, tokens and compiler have threads of their own."""
ASK_S = 0.5
"""Seconds between two such requests: one that comes while a worker starts is lost."""


class Refused(Exception):
    """The executor took nothing; the argument says why."""


@dataclass(frozen=True, kw_only=True)
class Started:
    """What was started."""

    jobs: tuple[Job, ...]
    """The jobs, as the ledger keeps them."""
    work: Callable[[], None] = lambda: None
    """Does their work, where this process has to (debug)."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What the jobs of a submission need."""

    threads: int
    """CPU threads of one process of a run."""
    workers: int = 1
    """Workers of this machine."""
    after: tuple[str, ...] = ()
    """Slurm jobs that must be over before these start."""
    beside: tuple[int, ...] = ()
    """Processes of this machine that are at work already."""


def start(folder: Path, submission: Submission, worker: Any, cluster: Cluster, needs: Needs) -> Started:
    """Start the jobs of a submission, with submitit's own files in `folder`.

    Raises Refused where nothing was started, and UsageError where that cannot be told.
    """
    with clean_environment():
        return STARTERS[cluster.kind](folder, submission, worker, cluster, needs)


def local_workers(cluster: Cluster, n_runs: int, threads: int, busy: int = 0) -> int:
    """Return how many workers this machine has devices for beside `busy` others: one per GPU or core unless told."""
    if cluster.kind == "debug":
        return 1
    here = places(threads, cluster.devices_of_job) * cluster.runs_per_gpu
    return max(0, min(n_runs, (cluster.parallel or here) - busy))


def stop(submissions: Sequence[Submission], seconds: float = STOP_S) -> bool:
    """Ask workers of this machine to write a checkpoint and end; return whether none is left."""
    deadline = time.monotonic() + seconds
    while pids := [pid for one in submissions for pid in processes_of(one) if pid != os.getpid()]:
        if time.monotonic() > deadline:
            return False
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        time.sleep(ASK_S)
    return True


def leave(submissions: Sequence[Submission]) -> None:
    """Wait until workers of this machine that have nothing left to train are gone, so that nobody takes them for busy.

    Those that are not after `LEAVE_S` have something to train.
    """
    deadline = time.monotonic() + LEAVE_S
    here = [one for one in submissions if one.executor == "local"]
    while any(processes_of(one) for one in here) and time.monotonic() < deadline:
        time.sleep(0.05)


def _start_local(folder: Path, submission: Submission, worker: Any, cluster: Cluster, needs: Needs) -> Started:
    """Start workers that share the one pack, each on GPUs of its own where there are any, the least used ones first.

    They are deaf to the terminal's Ctrl-C, which the sweep turns into a request for a checkpoint.
    """
    import submitit

    executor = submitit.LocalExecutor(folder)
    (pack,), gpus = submission.packs, least_used(visible_gpus(), needs.beside)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        jobs = []
        for index in range(needs.workers):
            visible = gpus_of(index, cluster, gpus)
            executor.update_parameters(timeout_min=MONTH_MIN, gpus_per_node=len(visible), visible_gpus=visible)
            jobs.append(executor.submit(worker, list(pack)))
    finally:
        signal.signal(signal.SIGINT, before)
    return Started(jobs=jobs_of(submission, [job.job_id for job in jobs]))


def least_used(gpus: list[int], beside: tuple[int, ...]) -> list[int]:
    """Return the GPUs, those first that fewest of these processes were given."""
    uses = Counter(gpu for pid in beside for gpu in environment(pid).get("CUDA_VISIBLE_DEVICES", "").split(","))
    return sorted(gpus, key=lambda gpu: uses[str(gpu)])


def gpus_of(index: int, cluster: Cluster, gpus: list[int]) -> list[int]:
    """Return the GPUs of worker number `index` of this machine; none where it is to train on processors."""
    per_worker = 0 if cluster.gpus_per_run == 0 else cluster.devices_of_job
    first = index * per_worker
    return [gpus[(first + offset) % len(gpus)] for offset in range(per_worker)] if gpus else []


def _run_here(folder: Path, submission: Submission, worker: Any, cluster: Cluster, needs: Needs) -> Started:
    import submitit

    executor = submitit.AutoExecutor(folder, cluster="debug")
    jobs = [executor.submit(worker, list(pack)) for pack in submission.packs]

    def work() -> None:
        for job in jobs:
            job.result()

    return Started(jobs=jobs_of(submission, [job.job_id for job in jobs]), work=work)


def _start_slurm(folder: Path, submission: Submission, worker: Any, cluster: Cluster, needs: Needs) -> Started:
    """Submit one array. What sbatch refuses may have been taken all the same (a time-out), so the queue is asked."""
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    # a time limit is no failure, however often: every time the worker is requeued it goes on from its checkpoints
    executor = submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=10**6)
    executor.update_parameters(**slurm_parameters(submission, cluster, needs))
    try:
        jobs = executor.map_array(worker, [list(pack) for pack in submission.packs])
    except (FailedJobError, FailedSubmissionError) as error:
        reason = next((line for line in reversed(str(error).splitlines()) if line.strip()), "no reason given")
        return Started(jobs=jobs_of(submission, _taken_all_the_same(submission, reason.strip())))
    return Started(jobs=jobs_of(submission, [job.job_id for job in jobs]))


def _taken_all_the_same(submission: Submission, reason: str) -> list[str]:
    try:
        found = list(slurm.alive([submission.name])[submission.name])
    except Unreachable as error:
        raise UsageError(
            f"sbatch says {reason}, and whether it took the jobs cannot be told ({error}); the next sweep finds out"
        ) from None
    if not found:
        raise Refused(reason)
    return found


def slurm_parameters(submission: Submission, cluster: Cluster, needs: Needs) -> dict[str, Any]:
    """Return the parameters of submitit for an array of a submission; its tasks share a run, or a device."""
    devices, nodes = cluster.execution.devices, cluster.nodes or 1
    own: dict[str, Any] = {"requeue": True}
    if needs.after:
        own["dependency"] = "afterany:" + ":".join(needs.after)
    own |= {name.replace("-", "_"): value for name, value in (option.split("=", 1) for option in cluster.slurm)}
    busy = -(-CORES_OF_GPU // cluster.runs_per_gpu) if cluster.gpus_per_run else 1
    cores = int(own.pop("cpus_per_task", 0)) or max(needs.threads, busy)
    srun = [f"--cpus-per-task={cores}"]  # which Slurm from 22.05 on does not pass from the job to its steps
    given = {
        "slurm_partition": cluster.partition,
        "slurm_account": cluster.account,
        "slurm_qos": cluster.qos,
        "slurm_constraint": cluster.constraint,
        "slurm_signal_delay_s": cluster.warn_s,
        "slurm_array_parallelism": cluster.parallel,
        "slurm_setup": list(cluster.setup) or None,
        "gpus_per_node": -(-cluster.gpus_per_run // nodes) if cluster.gpus_per_run else None,
        "nodes": cluster.nodes,
        "slurm_srun_args": [*srun, "--kill-on-bad-exit=1"] if devices > 1 else srun,
    }
    return {
        "name": submission.name,
        "timeout_min": cluster.limit_min,
        "cpus_per_task": cores,
        "tasks_per_node": devices // nodes if devices > 1 else cluster.runs_per_gpu,
        "slurm_additional_parameters": own,
        **{name: value for name, value in given.items() if value is not None},
    }


STARTERS = {"local": _start_local, "slurm": _start_slurm, "debug": _run_here}
