"""What is asked of Slurm: one query for all jobs, whatever their number; without accounting too."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from planners.records.errors import UsageError

ANSWER_S = 60
"""Seconds that the scheduler is given to answer."""
ARRAY_SIZE = 1000
"""Jobs of an array where the scheduler does not say how many it takes; Slurm's own default is 1001."""
FOREIGN = ("SLURM_", "SRUN_", "PMI", "SUBMITIT_")
KEPT = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_TIME_FORMAT", "SUBMITIT_PREEMPT_SIGNAL")
RANKS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")
"""Variables of the job that a sweep may itself be running in; to the jobs that it submits they would be lies."""


class Unreachable(Exception):
    """The scheduler did not answer; the argument says why."""


@contextmanager
def clean_environment() -> Iterator[None]:
    """Hide the variables of a surrounding job from what is submitted meanwhile."""
    foreign = [name for name in os.environ if name.startswith(FOREIGN) and name not in KEPT] + [*RANKS]
    hidden = {name: os.environ.pop(name) for name in foreign if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


def check_slurm() -> None:
    """Raise UsageError where this machine submits to no Slurm."""
    for name in ("sbatch", "srun"):
        if shutil.which(name) is None:
            raise UsageError(f"there is no {name} on this machine; log in to the cluster, or use --cluster local")


def can_be_asked() -> bool:
    """Whether this machine has what a scheduler is asked with; one that is down answers later."""
    return shutil.which("squeue") is not None


def alive(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the jobs that wait or run, as {name of the submission: {job id: state}}; one query. Raises Unreachable."""
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    if not found:
        return found
    listed = _ask("squeue", "--noheader", "--array", f"--name={','.join(found)}", "--format=%i|%j|%T")
    for id, name, state in _rows(listed):
        if name in found:
            found[name][id] = state
    return found


def last_states(names: Iterable[str], since: str) -> dict[str, dict[str, str]]:
    """Return the last states of jobs that are over, likewise; nothing where accounting is off or away.

    `since` is when the first of them was submitted; clocks of the two machines may differ by a day.
    """
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    start = datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ") - timedelta(days=1)
    try:
        listed = _ask(
            "sacct",
            "--noheader",
            "--parsable2",
            "--allocations",
            "--allusers",
            "--format=JobID,JobName,State",
            f"--name={','.join(found)}",
            f"--starttime={start:%Y-%m-%dT%H:%M:%S}",
        )
    except Unreachable:
        return found
    for id, name, state in _rows(listed):
        if name in found:
            found[name][id] = state
    return found


def cancel(job_ids: Iterable[str]) -> None:
    """End jobs, arrays as a whole. Raises Unreachable."""
    arrays = sorted({id.split("_")[0] for id in job_ids})
    if arrays:
        _ask("scancel", *arrays)


def array_size() -> int:
    """Return how many jobs an array may have here."""
    try:
        shown = _ask("scontrol", "show", "config")
    except Unreachable:
        return ARRAY_SIZE
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", shown)
    return max(1, int(found.group(1)) - 1) if found else ARRAY_SIZE


def _ask(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S)
    except FileNotFoundError:
        raise Unreachable(f"there is no {command[0]} on this machine") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unreachable(f"{command[0]} does not answer ({error})") from None
    if done.returncode != 0:
        reason = next((line for line in done.stderr.splitlines() if line.strip()), f"exit code {done.returncode}")
        raise Unreachable(f"{command[0]}: {reason.strip()}")
    return done.stdout


def _rows(listed: str) -> Iterator[tuple[str, str, str]]:
    for line in listed.splitlines():
        id, _, rest = line.strip().partition("|")
        name, _, state = rest.rpartition("|")
        if id and name:
            yield id, name, state
