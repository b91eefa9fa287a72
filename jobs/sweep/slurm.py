"""Queries to Slurm: one for all jobs, however many there are. They work without Slurm's accounting too."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from planners.records.errors import UsageError

ANSWER_S = 60
"""Seconds that the scheduler has to answer."""
ARRAY_SIZE = 1000
"""Most jobs per array if the scheduler does not tell its limit; Slurm's default is 1001."""
FOREIGN = ("SLURM_", "SRUN_", "PMI", "SUBMITIT_")
KEPT = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_TIME_FORMAT", "SUBMITIT_PREEMPT_SIGNAL")
RANKS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")
"""Variables of a job that the sweep itself runs in (FOREIGN without KEPT, RANKS); they would mislead its own jobs."""


class Unreachable(Exception):
    """The scheduler did not answer; the argument gives the reason."""


@contextmanager
def clean_environment() -> Iterator[None]:
    """Hide the variables of a surrounding job from jobs that are submitted inside."""
    foreign = [name for name in os.environ if name.startswith(FOREIGN) and name not in KEPT] + [*RANKS]
    hidden = {name: os.environ.pop(name) for name in foreign if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


def check_slurm() -> None:
    """Raise UsageError if this machine cannot submit to Slurm."""
    for name in ("sbatch", "srun"):
        if shutil.which(name) is None:
            raise UsageError(f"this machine has no {name}; log in to the cluster, or use --cluster local")


def is_installed() -> bool:
    """Whether this machine has Slurm's client commands; the scheduler itself may be down."""
    return shutil.which("squeue") is not None


def queued_jobs(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the pending and running jobs as {submission name: {job id: state}}, by one query. Raises Unreachable."""
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    if found:
        _enter(found, _ask("squeue", "--noheader", "--array", f"--name={','.join(found)}", "--format=%i|%j|%T"))
    return found


def last_states(names: Iterable[str], since: str) -> dict[str, dict[str, str]]:
    """Return the last states of finished jobs in the same form; empty if accounting is off or unreachable.

    `since` is when the first of them was submitted; a day is added because the clocks of two machines may differ.
    """
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    start = datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ") - timedelta(days=1)
    options = ("--noheader", "--parsable2", "--allocations", "--allusers", "--format=JobID,JobName,State")
    try:
        listed = _ask("sacct", *options, f"--name={','.join(found)}", f"--starttime={start:%Y-%m-%dT%H:%M:%S}")
    except Unreachable:
        return found
    _enter(found, listed)
    return found


def cancel(job_ids: Iterable[str]) -> None:
    """Cancel jobs; of an array, all of its jobs. Raises Unreachable."""
    arrays = sorted({id.split("_")[0] for id in job_ids})
    if arrays:
        _ask("scancel", *arrays)


def array_size() -> int:
    """Return how many jobs an array may have on this cluster."""
    try:
        shown = _ask("scontrol", "show", "config")
    except Unreachable:
        return ARRAY_SIZE
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", shown)
    return max(1, int(found.group(1)) - 1) if found else ARRAY_SIZE  # the limit counts from index 0


def _ask(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S)
    except FileNotFoundError:
        raise Unreachable(f"this machine has no {command[0]}") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unreachable(f"{command[0]} does not answer ({error})") from None
    if done.returncode != 0:
        reason = next((line for line in done.stderr.splitlines() if line.strip()), f"exit code {done.returncode}")
        raise Unreachable(f"{command[0]}: {reason.strip()}")
    return done.stdout


def _enter(found: dict[str, dict[str, str]], listed: str) -> None:
    """Add lines `id|name|state` to the jobs found; a name may itself contain bars."""
    for line in listed.splitlines():
        id, _, rest = line.strip().partition("|")
        name, _, state = rest.rpartition("|")
        if id and name in found:
            found[name][id] = state
