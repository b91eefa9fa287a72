"""From a study to jobs, through submitit: this machine, Slurm, or this process, by the same call."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from jobs.execution import Execution, check_shares
from jobs.machine import check_devices, core_count, visible_gpus
from jobs.record import FINAL
from jobs.status import RunStatus, run_status
from jobs.worker import Worker
from planners.errors import UsageError
from planners.study import Study

CLUSTERS = ("local", "slurm", "debug")
MONTH_MIN = 60 * 24 * 30
STOP_S = 30
"""Seconds that an interrupted sweep waits for its workers to write their checkpoints."""
POLL_S = 0.5
"""Seconds between looks at the runs."""
LOGGED_S = 10.0
"""Seconds between progress lines where standard error is a file."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where jobs run and how many at once."""

    kind: str = "local"
    """local: processes on this machine; slurm: sbatch; debug: in this process, one after the other."""
    parallel: int | None = None
    """Workers at once; null: one per GPU or core here, one per run (at most 16) on Slurm."""
    gpus: int | None = None
    """GPUs per worker; null: one a device of `execution` where this machine has any, none otherwise."""
    timeout_min: int | None = None
    """Time limit of a job on Slurm, in minutes; the worker checkpoints, is requeued and continues."""
    slurm: tuple[str, ...] = ()
    """Further Slurm options, each NAME=VALUE, such as partition=short."""
    execution: Execution = field(default_factory=Execution)
    """How each run is carried out."""

    def __post_init__(self) -> None:
        if self.kind not in CLUSTERS:
            raise UsageError(f"cluster {self.kind!r} is not one of {', '.join(CLUSTERS)}")
        for option in self.slurm:
            if "=" not in option:
                raise UsageError(f"Slurm option {option!r} is not NAME=VALUE, such as partition=short")


def wanted(statuses: list[RunStatus], *, retry: bool) -> list[RunStatus]:
    """Return the runs that a sweep has to train: those without a record, and failed ones where asked."""
    return [run for run in statuses if run.record is None or (retry and run.state == "failed")]


def submit(study: Study, runs: list[RunStatus], cluster: Cluster) -> list[Any]:
    """Start workers on `runs`, the longest first, and return their jobs. Failed records of `runs` are removed.

    Raises UsageError where the study names no corpus, or the cluster cannot be reached.
    """
    import submitit
    from submitit.core.utils import FailedJobError

    if any(run.spec.data is None for run in runs):
        raise UsageError(
            f"the plan in {study.folder} names no corpus; plan again with --data stdlib, text:PATH or hf:NAME"
        )
    if cluster.kind == "slurm" and shutil.which("sbatch") is None:
        raise UsageError("there is no sbatch on this machine; log in to the cluster, or use --cluster local")
    if cluster.kind != "slurm":
        check_devices(cluster.execution.devices)
    for run in runs:
        check_shares(cluster.execution.devices, run.spec.training)
    for run in runs:
        if run.state == "failed":
            (study.run_folder(run.spec.run_id) / "record.json").unlink(missing_ok=True)
    ordered = [run.spec.run_id for run in sorted(runs, key=_work, reverse=True)]
    # a folder of its own for every submission: a job id used again could otherwise show an old job's state
    folder = study.cluster.absolute() / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
    gpus = visible_gpus() if cluster.kind == "local" else []
    threads = max(run.spec.training.threads for run in runs) * cluster.execution.devices
    workers = min(len(runs), cluster.parallel or _default_parallel(cluster, gpus, threads))
    worker = Worker(str(study.folder.absolute()), cluster.execution)
    if cluster.kind == "local":
        executor: Any = submitit.LocalExecutor(folder)
        return [submit_local(executor, worker, ordered, index, cluster, gpus) for index in range(workers)]
    # a time limit is no failure, however often: every time the worker is requeued it goes on from its checkpoints
    executor = submitit.AutoExecutor(folder, cluster=cluster.kind, slurm_max_num_timeout=10**6)
    _configure(executor, cluster, threads)
    if cluster.kind == "debug":
        return [executor.submit(worker, ordered)]
    try:
        return list(executor.map_array(worker, [ordered] * workers))
    except FailedJobError as error:
        reason = next((line for line in reversed(str(error).splitlines()) if line.strip()), "no reason given")
        raise UsageError(f"sbatch refused the jobs ({reason.strip()}); see --slurm, --gpus, --timeout-min") from error


def follow(study: Study, jobs: list[Any], runs: list[RunStatus], *, quiet: bool = False) -> None:
    """Show progress with ETA until `runs` ended, or no job and no other process works on them any more."""
    from tqdm import tqdm

    total = sum(run.spec.C for run in runs)
    interval = POLL_S if sys.stderr.isatty() else LOGGED_S
    start = 100 * sum(run.C_seen for run in runs) / total
    bar = tqdm(total=100.0, initial=start, disable=quiet, file=sys.stderr, bar_format=_BAR, mininterval=interval)
    with bar:
        while True:
            jobs_alive = any(not job.done() for job in jobs)
            now = [run_status(study, run.spec) for run in runs]
            ended = sum(run.record is not None for run in now)
            running = [run for run in now if run.state == "running"]
            names = ", ".join(f"{run.spec.arm} seed {run.spec.training.seed} {_percent(run)}" for run in running[:3])
            bar.set_postfix_str(f"{ended}/{len(now)} runs" + (f", training {names}" if names else ""), refresh=False)
            bar.update(100 * sum(run.C_seen for run in now) / total - bar.n)
            if ended == len(now) or not (jobs_alive or running):
                return
            time.sleep(POLL_S)


def stop(jobs: list[Any]) -> None:
    """Ask local jobs to checkpoint and end, and wait for them; jobs of a cluster are left running."""
    for job in jobs:
        process = getattr(job, "_process", None)
        if process is not None and process.poll() is None:
            process.terminate()
    for job in jobs:
        process = getattr(job, "_process", None)
        try:
            if process is not None:
                process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            print("a worker is still busy; it ends by itself after its present evaluation", file=sys.stderr)


def unfinished(statuses: list[RunStatus]) -> list[RunStatus]:
    """Return the runs that have no final record."""
    return [run for run in statuses if run.state not in FINAL]


def last_log(study: Study, lines: int = 15) -> str:
    """Return the end of the newest non-empty error log of the cluster folder, for a person to read."""
    logs = [path for path in study.cluster.glob("*/*_log.err") if path.stat().st_size]
    if not logs:
        return ""
    newest = max(logs, key=lambda path: path.stat().st_mtime)
    return f"{newest}:\n" + "\n".join(newest.read_text(errors="replace").splitlines()[-lines:])


_BAR = "{desc}{percentage:5.1f} %|{bar}| {elapsed} elapsed, {remaining} left{postfix}"


def _percent(run: RunStatus) -> str:
    return f"{run.D_seen / run.spec.training.D:.0%}"


def _work(run: RunStatus) -> float:
    """Return what a run costs, for the order only: tokens, which follow the time of small models better than FLOPs."""
    return float(run.spec.training.D)


def _default_parallel(cluster: Cluster, gpus: list[int], threads: int) -> int:
    if cluster.kind != "local":
        return 16 if cluster.kind == "slurm" else 1
    return max(1, len(gpus) // cluster.execution.devices if gpus else core_count() // threads)


def submit_local(executor: Any, worker: Any, run_ids: list[str], index: int, cluster: Cluster, gpus: list[int]) -> Any:
    """Start worker number `index` on this machine, on a GPU of its own where there are `gpus`, and return its job.

    It is started deaf to the terminal's Ctrl-C, which `stop` turns into a checkpoint instead.
    """
    per_worker = cluster.gpus if cluster.gpus is not None else cluster.execution.devices
    first = index * per_worker
    visible = [gpus[(first + offset) % len(gpus)] for offset in range(per_worker)] if gpus else []
    executor.update_parameters(timeout_min=MONTH_MIN, gpus_per_node=len(visible), visible_gpus=visible)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        return executor.submit(worker, run_ids)
    finally:
        signal.signal(signal.SIGINT, before)


def _configure(executor: Any, cluster: Cluster, threads: int) -> None:
    """Set time limit, cores, GPUs and the user's own Slurm options."""
    parameters: dict[str, Any] = {
        "timeout_min": cluster.timeout_min or 60,
        "cpus_per_task": threads,
        "tasks_per_node": 1,
    }
    if cluster.gpus:
        parameters["gpus_per_node"] = cluster.gpus
    if cluster.kind == "slurm":
        own = dict(option.split("=", 1) for option in cluster.slurm)
        parameters |= {"name": "scaling", "slurm_additional_parameters": own}
    executor.update_parameters(**parameters)
