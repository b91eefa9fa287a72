"""Starting jobs in one of three places, all through submitit: worker processes here, a Slurm array, or this process."""

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
"""Time limit of a local worker, in minutes: none in practice."""
STOP_S = 30.0
"""Seconds that workers of this machine have to write their checkpoints when they are asked to end."""
ASK_S = 0.5
"""Seconds between two such requests: a worker that is still starting does not hear the first one."""
EXIT_S = 5.0
"""Seconds that workers without work have to exit before they count as busy."""
CORES_OF_GPU = 4
"""Least number of cores per GPU: backward pass, gradient exchange, data and compiler each have threads."""


class SubmissionRefused(Exception):
    """The executor accepted none of the jobs; the argument gives the reason."""


Started = tuple[Sequence[str], Callable[[], None]]
"""The ids of the jobs that an executor accepted, and what does their work; only debug jobs run in this process."""


@dataclass(frozen=True, kw_only=True)
class JobNeeds:
    """What the jobs of a submission need."""

    threads: int
    """CPU threads of one process of a run."""
    workers: int = 1
    """Number of workers to start on this machine."""
    after: tuple[str, ...] = ()
    """Ids of Slurm jobs that must end before these start."""
    busy_pids: tuple[int, ...] = ()
    """Process ids of workers that are already running on this machine."""


def start_jobs(
    folder: Path, submission: Submission, worker: Any, cluster: Cluster, needs: JobNeeds
) -> tuple[tuple[Job, ...], Callable[[], None]]:
    """Start the jobs of a submission; return them, and what does the work of debug jobs.

    submitit keeps its own files in `folder`. Raises SubmissionRefused if no job was accepted, and UsageError if that
    is unknown.
    """
    with clean_environment():
        ids, work = STARTERS[cluster.kind](folder, submission, worker, cluster, needs)
    return jobs_of(submission, ids), work


def local_workers(cluster: Cluster, n_runs: int, threads: int, busy: int = 0) -> int:
    """Return how many more workers this machine has devices for: one per GPU or core unless `parallel` is set."""
    if cluster.kind == "debug":
        return 1
    here = places(threads, cluster.devices_of_job) * cluster.runs_per_gpu
    return max(0, min(n_runs, (cluster.parallel or here) - busy))


def stop_workers(submissions: Sequence[Submission], seconds: float = STOP_S) -> bool:
    """Ask workers of this machine to write a checkpoint and end; return whether all have ended in time."""
    deadline = time.monotonic() + seconds
    while pids := [pid for one in submissions for pid in processes_of(one) if pid != os.getpid()]:
        if time.monotonic() > deadline:
            return False
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        time.sleep(ASK_S)
    return True


def wait_for_exit(submissions: Sequence[Submission]) -> None:
    """Wait until local workers without work have exited, so that the next round does not count them as busy.

    Workers that remain after `EXIT_S` seconds are training.
    """
    deadline = time.monotonic() + EXIT_S
    local = [one for one in submissions if one.executor == "local"]
    while any(processes_of(one) for one in local) and time.monotonic() < deadline:
        time.sleep(0.05)


def least_used(gpus: list[int], pids: tuple[int, ...]) -> list[int]:
    """Return the GPUs, in order of how many of these processes they were given to."""
    uses = Counter(gpu for pid in pids for gpu in environment(pid).get("CUDA_VISIBLE_DEVICES", "").split(","))
    return sorted(gpus, key=lambda gpu: uses[str(gpu)])


def gpus_of(index: int, cluster: Cluster, gpus: list[int]) -> list[int]:
    """Return the GPUs of worker number `index` of this machine; empty if it trains on CPUs."""
    per_worker = 0 if cluster.gpus_per_run == 0 else cluster.devices_of_job
    first = index * per_worker
    return [gpus[(first + offset) % len(gpus)] for offset in range(per_worker)] if gpus else []


def slurm_parameters(submission: Submission, cluster: Cluster, needs: JobNeeds) -> dict[str, Any]:
    """Return submitit's parameters for an array. The tasks of a job train one run together, or share its devices."""
    devices, nodes = cluster.execution.devices, cluster.nodes or 1
    own: dict[str, Any] = {"requeue": True}
    if needs.after:
        # afterany: a parent that failed must not keep its children in the queue for ever
        own["dependency"] = "afterany:" + ":".join(needs.after)
    own |= dict(map(slurm.option, cluster.slurm))
    if own.pop("no_requeue", False):
        del own["requeue"]
        own["no_requeue"] = True
    busy = -(-CORES_OF_GPU // cluster.runs_per_gpu) if cluster.gpus_of_job else 1
    cores = int(own.pop("cpus_per_task", 0)) or max(needs.threads, busy)
    srun = [f"--cpus-per-task={cores}", *cluster.srun]  # since 22.05 Slurm does not pass it from the job to its steps
    given = {
        "slurm_partition": cluster.partition,
        "slurm_account": cluster.account,
        "slurm_qos": cluster.qos,
        "slurm_constraint": cluster.constraint,
        "slurm_wckey": own.pop("wckey", None),
        "slurm_signal_delay_s": cluster.warn_s,
        "slurm_array_parallelism": cluster.parallel,
        "slurm_setup": list(cluster.setup) or None,
        "gpus_per_node": -(-cluster.gpus_per_run // nodes) if cluster.gpus_per_run else None,
        "nodes": cluster.nodes,
        "slurm_srun_args": [*srun, "--kill-on-bad-exit=1"] if devices > 1 else srun,
    }
    return {
        "name": submission.name,
        "timeout_min": cluster.timeout_min,
        "cpus_per_task": cores,
        "tasks_per_node": devices // nodes if devices > 1 else cluster.runs_per_gpu,
        "slurm_additional_parameters": own,
        **{name: value for name, value in given.items() if value is not None},
    }


def _nothing() -> None:
    """Do no work here: the jobs have their own processes."""


def _start_here(folder: Path, submission: Submission, worker: Any, cluster: Cluster, needs: JobNeeds) -> Started:
    """Start workers that share the one pack, each with its own GPUs if there are any, the least used ones first."""
    import submitit

    executor = submitit.LocalExecutor(folder)
    (pack,), gpus = submission.packs, least_used(visible_gpus(), needs.busy_pids)
    # workers inherit the ignored SIGINT: on Ctrl-C the sweep asks them for a checkpoint instead
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        jobs = []
        for index in range(needs.workers):
            visible = gpus_of(index, cluster, gpus)
            executor.update_parameters(timeout_min=MONTH_MIN, gpus_per_node=len(visible), visible_gpus=visible)
            jobs.append(executor.submit(worker, list(pack)))
    finally:
        signal.signal(signal.SIGINT, before)
    return [job.job_id for job in jobs], _nothing


def _start_in_process(folder: Path, submission: Submission, worker: Any, cluster: Cluster, needs: JobNeeds) -> Started:
    import submitit

    executor = submitit.AutoExecutor(folder, cluster="debug")
    jobs = [executor.submit(worker, list(pack)) for pack in submission.packs]

    def work() -> None:
        for job in jobs:
            job.result()

    return [job.job_id for job in jobs], work


def _start_on_slurm(folder: Path, submission: Submission, worker: Any, cluster: Cluster, needs: JobNeeds) -> Started:
    """Submit one array. After an error of sbatch, ask the queue: on a time-out it may have accepted the jobs."""
    import submitit
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    # a time limit is not a failure, however often it is reached: the requeued worker resumes from its checkpoints
    executor = submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=10**6)
    executor.update_parameters(**slurm_parameters(submission, cluster, needs))
    try:
        jobs = executor.map_array(worker, [list(pack) for pack in submission.packs])
    except (FailedJobError, FailedSubmissionError) as error:
        reason = next((line for line in reversed(str(error).splitlines()) if line.strip()), "no reason given")
        return _accepted_anyway(submission, reason.strip()), _nothing
    return [job.job_id for job in jobs], _nothing


def _accepted_anyway(submission: Submission, reason: str) -> list[str]:
    try:
        found = list(slurm.queued_jobs([submission.name])[submission.name])
    except Unreachable as error:
        raise UsageError(
            f"sbatch says {reason}, and the queue cannot tell whether it accepted the jobs ({error}); run the same"
            " command again later, which finds out"
        ) from None
    if not found:
        raise SubmissionRefused(reason)
    return found


STARTERS = {"local": _start_here, "slurm": _start_on_slurm, "debug": _start_in_process}
