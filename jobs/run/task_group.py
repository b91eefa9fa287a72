"""Task groups: the tasks of one Slurm job that share each of its runs, and how they agree on which one is next.

The tasks talk through a file beside the job's log, on the file system that the study is on anyway. The first task
writes a line for each run; a task whose process of a run failed leaves a mark.
"""

import json
import os
import platform
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from planners.records.errors import UsageError

POLL_S = 0.2
"""Seconds between looks at what the first task wrote."""


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """Where the processes of a run find each other."""

    run_id: str
    """The run."""
    host: str
    """Name of the machine of its first process."""
    port: int
    """Port that the first process listens on."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """The processes of a run, seen from one of them."""

    rank: int
    """Number of this one."""
    size: int
    """How many there are."""
    local_rank: int
    """Number among those of its machine."""
    local_size: int
    """How many its machine has."""
    path: Path | None = None
    """Where the first task tells of its runs; null where one process starts all the others."""

    @classmethod
    def here(cls, rank: int, size: int) -> "Group":
        """Return one of the processes of a run that is alone on this machine."""
        return cls(rank=rank, size=size, local_rank=rank, local_size=size)

    @property
    def host(self) -> str:
        """Name under which the others reach this machine."""
        return "127.0.0.1" if self.local_size == self.size else platform.node()

    def tell(self, meeting: Meeting | None) -> None:
        """Tell the other tasks of a run, or that there will be no more."""
        assert self.path
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a") as file:
            file.write(json.dumps(asdict(meeting) if meeting else None) + "\n")

    def meetings(self) -> Iterator[Meeting]:
        """Yield the runs that the first task tells of, as they come."""
        assert self.path
        number = 0
        while True:
            lines = self.path.read_text().split("\n")[:-1] if self.path.is_file() else []
            for line in lines[number:]:
                if (told := json.loads(line)) is None:
                    return
                yield Meeting(**told)
            number = len(lines)
            time.sleep(POLL_S)

    def tell_broken(self, meeting: Meeting) -> None:
        """Tell the first task that a process of a run failed here."""
        self._mark(meeting).touch()

    def is_broken(self, meeting: Meeting) -> bool:
        """Whether another task told so."""
        return self._mark(meeting).exists()

    def _mark(self, meeting: Meeting) -> Path:
        assert self.path
        return self.path.with_suffix(f".broken-{meeting.run_id}-{meeting.port}")


def task_group(devices: int) -> Group | None:
    """Return the task group that this process is a task of, or None where it starts the processes of a run alone.

    Raises UsageError where the job has another number of tasks than the run has devices.
    """
    if devices == 1 or os.environ.get("SUBMITIT_EXECUTOR") != "slurm":
        return None
    from submitit import JobEnvironment

    job = JobEnvironment()
    if job.num_tasks == 1:
        return None
    if job.num_tasks != devices:
        raise UsageError(f"the job has {job.num_tasks} tasks for runs on {devices} devices")
    life = os.environ.get("SLURM_RESTART_COUNT", "0")  # a requeued job keeps its number
    return Group(
        rank=job.global_rank,
        size=job.num_tasks,
        local_rank=job.local_rank,
        local_size=job.num_tasks // job.num_nodes,
        path=job.paths.folder / f"{job.job_id}_{life}.group",
    )


def leads_others() -> bool:
    """Whether this process is the first of several tasks of a Slurm job: the only one that submitit requeues from."""
    if os.environ.get("SUBMITIT_EXECUTOR") != "slurm":
        return False
    from submitit import JobEnvironment

    job = JobEnvironment()
    return bool(job.num_tasks > 1 and job.global_rank == 0)


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("", 0))
        return int(found.getsockname()[1])
