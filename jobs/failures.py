"""Why runs end without a loss: the classes of failures, what is done about each, and how an error is classified."""

import errno
import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One class of failures."""

    name: str
    """Name in records and in --status."""
    retried: str
    """always: an interruption, not a fault of the run; it leaves no record and every sweep trains the run again.
    asked: trained again with --retry. never: it is a result."""
    advice: str
    """What a person can do about it."""


class LostProcess(RuntimeError):
    """One of the processes of a run ended, or saw other files than the rest; the next attempt may succeed."""


ATTEMPTS = 3
"""Default number of attempts per run. An interruption after a new checkpoint does not count as one."""

FAILURES: dict[str, Failure] = {
    failure.name: failure
    for failure in (
        Failure(name="timeout", retried="always", advice="it resumes from its checkpoint; raise --timeout-min"),
        Failure(name="preempted", retried="always", advice="it resumes from its checkpoint"),
        Failure(name="node_lost", retried="always", advice="its worker was killed or lost its node or GPU; it resumes"),
        Failure(name="not_started", retried="always", advice="its job ended before the worker began; see the reason"),
        Failure(name="disk_full", retried="always", advice="free disk space; it resumes from its checkpoint"),
        Failure(name="out_of_memory", retried="asked", advice="--retry with --micro-batch, --recompute or more memory"),
        Failure(name="bad_data", retried="asked", advice="fix what the message names, then --retry"),
        Failure(name="exception", retried="asked", advice="read the log with --log RUN_ID, then --retry"),
        Failure(name="diverged", retried="never", advice="the same seed diverges again; plan a lower learning rate"),
    )
}

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Disk full, quota used up, mounted read-only: every later run of the worker would fail too."""
DISK_TEXT = re.compile(rf"OSError: \[Errno ({'|'.join(map(str, DISK))})\]")
MEMORY = re.compile(r"out of memory|can't allocate memory|cannot allocate memory|bad_alloc|ALLOC_FAILED", re.IGNORECASE)
PEER = re.compile(
    r"connection (was )?(closed|reset|refused)|closed by peer|broken pipe|ChildFailed|LostProcess: "
    r"|exit code:? -?(9|15|137|143)\b|signal (9|15)\b|SIGKILL|SIGTERM|watchdog|remote process|NCCL"
    r"|EADDRINUSE|address already in use|waiting for clients|failed to recv",
    re.IGNORECASE,
)
"""What torch.distributed reports in a process of a run when another process is gone, or never connected."""
SETUP = re.compile(r"duplicate GPU|invalid usage|ncclInvalid", re.IGNORECASE)
"""What NCCL reports when the processes were set up wrongly; a second attempt would fail the same way."""
DEVICE = re.compile(r"CUDA (driver )?error|HIP error|fallen off the bus", re.IGNORECASE)
"""What torch reports of a GPU that failed; every later run of the same process gets the same error."""
SLURM_STATES = {
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
    "PREEMPTED": "preempted",
    "OUT_OF_MEMORY": "out_of_memory",
    "NODE_FAIL": "node_lost",
    "BOOT_FAIL": "node_lost",
}


def classify(error: BaseException, reported: str | None = None) -> str:
    """Return the failure class of an exception; `reported` is the error of another process of the run, if any.

    Another process's error decides, because this process often sees only that its peer is gone.
    """
    text = reported or f"{type(error).__name__}: {error}"
    if (isinstance(error, OSError) and error.errno in DISK) or DISK_TEXT.search(text):
        return "disk_full"
    # before DEVICE: "CUDA error: out of memory" leaves the GPU usable
    if isinstance(error, MemoryError) or says_memory(text) or "OutOfMemoryError" in text:
        return "out_of_memory"
    if "UsageError: " in text:
        return "bad_data"
    lost = (PEER.search(text) and not SETUP.search(text)) or DEVICE.search(text)
    if lost and isinstance(error, (RuntimeError, ConnectionError)):
        return "node_lost"
    return "exception"


def says_memory(text: str) -> bool:
    """Whether an error message says that memory ran out."""
    return bool(MEMORY.search(text))


def stops_worker(error: BaseException) -> bool:
    """Whether an error would also fail every other run of the worker: a full disk or a failed GPU."""
    failure = classify(error)
    return failure == "disk_full" or (failure == "node_lost" and bool(DEVICE.search(str(error))))


def is_interruption(failure: str) -> bool:
    """Whether a failure class is an interruption, not a fault of the run."""
    return FAILURES[failure].retried == "always"


def class_of_state(state: str | None) -> str:
    """Return the failure class of a killed worker from its job's last state in Slurm, such as `CANCELLED by 1000`."""
    return SLURM_STATES.get((state or "").split(" ")[0].rstrip("+"), "node_lost")
