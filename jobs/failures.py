"""Why runs end without a loss: the classes, what is done about each, and how an error or a scheduler's word is read."""

import errno
import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One class of failures."""

    name: str
    """As records and --status name it."""
    retried: str
    """always: it is no fault of the run, which has no record and is taken up by every sweep; asked: by
    --retry; never: it is a result."""
    advice: str
    """What a person can do about it."""


ATTEMPTS = 3
"""Attempts that a run is given unless told otherwise; an interruption after a new checkpoint does not count."""

FAILURES: dict[str, Failure] = {
    failure.name: failure
    for failure in (
        Failure(name="timeout", retried="always", advice="it goes on from its checkpoint; raise --timeout-min"),
        Failure(name="preempted", retried="always", advice="it goes on from its checkpoint"),
        Failure(name="node_lost", retried="always", advice="its worker was killed or lost its node or GPU; it goes on"),
        Failure(name="disk_full", retried="always", advice="make room; it goes on from its checkpoint"),
        Failure(name="out_of_memory", retried="asked", advice="--retry with --micro-batch, --recompute or more memory"),
        Failure(name="bad_data", retried="asked", advice="mend what the message names, then --retry"),
        Failure(name="exception", retried="asked", advice="read it with --log RUN_ID, then --retry"),
        Failure(name="diverged", retried="never", advice="the same seed diverges again; plan a lower learning rate"),
    )
}

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
DISK_TOLD = re.compile(rf"OSError: \[Errno ({'|'.join(map(str, DISK))})\]")
MEMORY = re.compile(r"out of memory|can't allocate memory|cannot allocate memory|bad_alloc|ALLOC_FAILED", re.IGNORECASE)
PEER = re.compile(
    r"connection (was )?(closed|reset|refused)|closed by peer|broken pipe|ended without a word|ChildFailed"
    r"|exit code:? -?(9|15|137|143)\b|signal (9|15)\b|SIGKILL|SIGTERM|watchdog|remote process|NCCL"
    r"|EADDRINUSE|address already in use|waiting for clients|failed to recv|different checkpoints",
    re.IGNORECASE,
)
"""What torch.distributed says in the processes of a run where another one of them is gone, or did not come."""
SETUP = re.compile(r"duplicate GPU|invalid usage|ncclInvalid", re.IGNORECASE)
"""What NCCL says of processes that were set up wrongly, and will be the next time too."""
DEVICE = re.compile(r"CUDA (driver )?error|HIP error|fallen off the bus", re.IGNORECASE)
"""What torch says of a GPU that failed, to every later run of the same process too."""
SLURM_STATES = {
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
    "PREEMPTED": "preempted",
    "OUT_OF_MEMORY": "out_of_memory",
    "NODE_FAIL": "node_lost",
    "BOOT_FAIL": "node_lost",
}


def classify(error: BaseException, told: str | None = None) -> str:
    """Return the class of what a training run raised; `told` is what another of its processes raised before."""
    text = told or f"{type(error).__name__}: {error}"
    if (isinstance(error, OSError) and error.errno in DISK) or DISK_TOLD.search(text):
        return "disk_full"
    if isinstance(error, MemoryError) or says_memory(text) or "OutOfMemoryError" in text:
        return "out_of_memory"
    if "UsageError: " in text:
        return "bad_data"
    lost = (PEER.search(text) and not SETUP.search(text)) or DEVICE.search(text)
    if lost and isinstance(error, (RuntimeError, ConnectionError)):
        return "node_lost"
    return "exception"


def says_memory(text: str) -> bool:
    """Whether a message says that memory ran out."""
    return bool(MEMORY.search(text))


def is_for_all(error: BaseException) -> bool:
    """Whether what a run raised awaits every other run of its worker too: a full disk, a GPU that failed."""
    failure = classify(error)
    return failure == "disk_full" or (failure == "node_lost" and bool(DEVICE.search(str(error))))


def is_interruption(failure: str) -> bool:
    """Whether a class is no fault of the run."""
    return FAILURES[failure].retried == "always"


def of_state(state: str | None) -> str:
    """Return the class of a worker that ended without a word, from the last state that the scheduler told."""
    return SLURM_STATES.get((state or "").split(" ")[0].rstrip("+"), "node_lost")
