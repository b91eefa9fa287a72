"""Queries to Slurm: one for all jobs, however many there are. They work without Slurm's accounting too."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from planners.records.errors import UsageError, warn

ANSWER_S = 60
"""Seconds that the scheduler has to answer."""
ARRAY_SIZE = 1000
"""Most jobs per array if the scheduler does not tell its limit; Slurm's default is 1001."""
OPTIONS = ("SBATCH_", "SQUEUE_", "SACCT_", "SCANCEL_", "SCONTROL_")
"""Prefixes of the user's defaults for Slurm's commands. They would rename jobs, or hide them from a query."""
FOREIGN = ("SLURM_", "SRUN_", "PMI", "SUBMITIT_", *OPTIONS)
KEPT = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_TIME_FORMAT", "SUBMITIT_PREEMPT_SIGNAL")
RANKS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")
"""Variables of a job that the sweep itself runs in (FOREIGN without KEPT, RANKS); they would mislead its own jobs."""
GPUS = re.compile(r"\bgpu(?:[:/][A-Za-z][\w.-]*)?(?:[:=]([0-9]+))?")
"""GPUs in a generic resource of Slurm: gpu, gpu:2, gpu:a100:2, gres/gpu=2. The group is the count."""
EXIT_CODE = re.compile(r"(.*?)(?:\|([0-9]+:[0-9]+))?")
"""A line of sacct: all before the exit code and signal, which are its last column."""
OWNED = {
    **dict.fromkeys(("job_name", "J", "array", "a", "dependency", "d", "signal"), "the sweep finds its jobs by it"),
    **dict.fromkeys(("output", "o", "error", "e", "open_mode", "wrap"), "the sweep reads the logs and results there"),
    **dict.fromkeys(("export", "export_file", "propagate"), "workers need the environment that the sweep sets"),
    **dict.fromkeys(("parsable", "wait", "W", "test_only", "quiet", "Q"), "the sweep reads what sbatch prints"),
    **dict.fromkeys(("nodes", "N"), "give --nodes"),
    **dict.fromkeys(("ntasks", "n", "ntasks_per_node", "tasks_per_node"), "give --devices or --runs-per-gpu"),
    **dict.fromkeys(("time", "t"), "give --timeout-min"),
    **dict.fromkeys(("partition", "p"), "give --partition"),
    **dict.fromkeys(("account", "A"), "give --account"),
    **dict.fromkeys(("qos", "q"), "give --qos"),
    **dict.fromkeys(("constraint", "C"), "give --constraint"),
    "srun_args": "give --srun, such as --srun=--container-image=IMAGE",
}
"""Options of sbatch that the user cannot set with --slurm, and why."""


class Unreachable(Exception):
    """The scheduler did not answer; the argument gives the reason."""


@contextmanager
def clean_environment() -> Iterator[None]:
    """Hide the variables of a surrounding job, and the user's defaults for Slurm's commands, from what runs inside."""
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
    if ignored := sorted(name for name in os.environ if name.startswith("SBATCH_")):
        warn(f"{', '.join(ignored)} {'is' if len(ignored) == 1 else 'are'} ignored; give --partition, --account, …")


def option(text: str) -> tuple[str, str | bool]:
    """Return name and value of an option of sbatch, NAME=VALUE or NAME (its value is then True).

    Raises UsageError for a name that is not one, and for an option that the sweep itself sets.

    >>> option("cpus-per-task=4"), option("exclusive")
    (('cpus_per_task', '4'), ('exclusive', True))
    """
    name, given, value = text.strip().partition("=")
    name = name.removeprefix("--").replace("-", "_")
    if not re.fullmatch("[A-Za-z][A-Za-z_]*", name) or (given and not value.strip()) or not value.isprintable():
        raise UsageError(f"Slurm option {text!r} is neither NAME=VALUE, such as mem=16G, nor NAME, such as exclusive")
    if name in OWNED:
        raise UsageError(f"Slurm option {text!r} cannot be set: {OWNED[name]}")
    if name == "cpus_per_task" and not (value.isascii() and value.isdigit() and int(value)):
        raise UsageError(f"Slurm option {text!r} must be a number of cores, such as cpus_per_task=8")
    return name, value if given else True


def gpus_in(options: Iterable[str]) -> int:
    """Return the GPUs that options of sbatch ask for, a node or a job: gres=gpu:a100:2, gpus=2, tres_per_task=….

    >>> gpus_in(["mem=4G", "gres=gpu:a100:2"]), gpus_in(["gpus-per-node=h100:4"]), gpus_in(["tres_per_task=gres/gpu=1"])
    (2, 4, 1)
    """
    counts = [0]
    for name, value in map(option, options):
        if name.startswith("gpus"):
            count = re.search("(?:^|:)([0-9]+)$", str(value))
            counts.append(int(count[1]) if count else 1)
        elif name == "gres" or name.startswith("tres"):
            counts += [int(count or 1) for count in GPUS.findall(str(value))]
    return max(counts)


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

    A state has its exit code where that is not 0, such as FAILED (exit code 7:0).
    `since` is when the first of them was submitted; a day is added because the clocks of two machines may differ.
    """
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    start = datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ") - timedelta(days=1)
    options = ("--noheader", "--parsable2", "--allocations", "--allusers", "--format=JobID,JobName,State,ExitCode")
    try:
        listed = _ask("sacct", *options, f"--name={','.join(found)}", f"--starttime={start:%Y-%m-%dT%H:%M:%S}")
    except Unreachable:
        return found
    for line in listed.splitlines():
        rest, code = EXIT_CODE.fullmatch(line.strip()).groups()  # type: ignore[union-attr]
        _enter(found, f"{rest} (exit code {code})" if code and code != "0:0" else rest)
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
        with clean_environment():
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=ANSWER_S)
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
