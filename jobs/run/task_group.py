"""Task groups: several tasks of one Slurm job train each run together, one process per device.

The tasks communicate through a file next to the job's log, on the file system that holds the study anyway. The first
task writes one line per run; a task whose process failed creates a marker file.
"""

import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from jobs.machine import host
from planners.records.errors import UsageError

POLL_S = 0.2
"""Seconds between looks at the file of the first task."""


@dataclass(frozen=True, kw_only=True)
class Rendezvous:
    """Where the processes of a run connect to each other (MASTER_ADDR and MASTER_PORT of torch.distributed)."""

    run_id: str
    """The run."""
    host: str
    """Name of the machine of the first process."""
    port: int
    """Port that the first process listens on."""


@dataclass(frozen=True, kw_only=True)
class TaskGroup:
    """The processes of a run, as one of them sees the group."""

    rank: int
    """Number of this process."""
    size: int
    """Number of processes."""
    local_rank: int
    """Number of this process among those of its machine."""
    local_size: int
    """Number of processes of its machine."""
    path: Path | None = None
    """File in which the first task announces the runs; null where one process starts all the others."""

    @classmethod
    def on_this_machine(cls, rank: int, size: int) -> "TaskGroup":
        """Return process `rank` of a run whose `size` processes are all on this machine."""
        return cls(rank=rank, size=size, local_rank=rank, local_size=size)

    @property
    def host(self) -> str:
        """Name under which the other processes reach this machine."""
        return "127.0.0.1" if self.local_size == self.size else host()

    def announce(self, rendezvous: Rendezvous | None) -> None:
        """Announce the next run to the other tasks; None says that there are no more runs."""
        assert self.path
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a") as file:
            file.write(json.dumps(asdict(rendezvous) if rendezvous else None) + "\n")

    def announced(self) -> Iterator[Rendezvous]:
        """Yield the runs as the first task announces them, until it says that there are no more."""
        assert self.path
        number = 0
        while True:
            lines = self.path.read_text().split("\n")[:-1] if self.path.is_file() else []
            for line in lines[number:]:
                if (told := json.loads(line)) is None:
                    return
                yield Rendezvous(**told)
            number = len(lines)
            time.sleep(POLL_S)

    def mark_broken(self, rendezvous: Rendezvous) -> None:
        """Tell the other tasks that this task's process of the run failed."""
        self._marker(rendezvous).touch()

    def is_broken(self, rendezvous: Rendezvous) -> bool:
        """Whether a task has marked the run as broken."""
        return self._marker(rendezvous).exists()

    def _marker(self, rendezvous: Rendezvous) -> Path:
        assert self.path
        return self.path.with_suffix(f".broken-{rendezvous.run_id}-{rendezvous.port}")


def task_group(devices: int) -> TaskGroup | None:
    """Return the task group that this process belongs to, or None if it starts the processes of a run itself.

    Raises UsageError if the job has another number of tasks than the run has devices.
    """
    if devices == 1 or os.environ.get("SUBMITIT_EXECUTOR") != "slurm":
        return None
    from submitit import JobEnvironment

    job = JobEnvironment()
    if job.num_tasks == 1:
        return None
    if job.num_tasks != devices:
        raise UsageError(f"the job has {job.num_tasks} tasks, but its runs need {devices} devices")
    # a requeued job keeps its id; the restart count keeps it from reading the announcements of its earlier life
    restarts = os.environ.get("SLURM_RESTART_COUNT", "0")
    return TaskGroup(
        rank=job.global_rank,
        size=job.num_tasks,
        local_rank=job.local_rank,
        local_size=job.num_tasks // job.num_nodes,
        path=job.paths.folder / f"{job.job_id}_{restarts}.group",
    )


def requeues_for_others() -> bool:
    """Whether this process is the first of several tasks of a Slurm job: submitit requeues the job from it alone."""
    if os.environ.get("SUBMITIT_EXECUTOR") != "slurm":
        return False
    from submitit import JobEnvironment

    job = JobEnvironment()
    return bool(job.num_tasks > 1 and job.global_rank == 0)


def free_port() -> int:
    """Return a port of this machine that no process listens on."""
    with socket.socket() as found:
        found.bind(("", 0))
        return int(found.getsockname()[1])
