"""Failure classes of errors and of the states that Slurm reports."""

import errno

import pytest

from jobs.failures import FAILURES, LostProcess, class_of_state, classify
from planners import UsageError

CLASSES = {
    "a full disk": (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
    "a read-only disk": (OSError(errno.EROFS, "Read-only file system"), "disk_full"),
    "a full GPU": (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried"), "out_of_memory"),
    "a full machine": (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out_of_memory"),
    "no memory": (MemoryError(), "out_of_memory"),
    "a mistake": (UsageError("run x names no corpus"), "bad_data"),
    "a killed rank": (RuntimeError("Connection closed by peer [127.0.0.1]:1234"), "node_lost"),
    "a killed torchrun": (RuntimeError("torchrun ended with exit code -9"), "node_lost"),
    "a lost GPU peer": (RuntimeError("NCCL error: remote process exited"), "node_lost"),
    "two ranks on one GPU": (RuntimeError("NCCL error: invalid usage, Duplicate GPU detected: rank 1"), "exception"),
    "a port in use": (RuntimeError("EADDRINUSE, message: address already in use"), "node_lost"),
    "processes that ended without a record": (LostProcess("the processes of the run ended"), "node_lost"),
    "a rank that lost its peer": (RuntimeError("LostProcess: the processes found different checkpoints"), "node_lost"),
    "a rank that never connected": (RuntimeError("Timed out after 601 seconds waiting for clients. 1/2"), "node_lost"),
    "a full GPU, by its library": (
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"),
        "out_of_memory",
    ),
    "a failed GPU": (type("AcceleratorError", (RuntimeError,), {})("CUDA error: unspecified launch"), "node_lost"),
    "a full GPU, by its driver": (RuntimeError("CUDA error: out of memory"), "out_of_memory"),
    "a rank with a full disk": (RuntimeError("OSError: [Errno 28] No space left on device"), "disk_full"),
    "a bug": (RuntimeError("shape mismatch"), "exception"),
    "a missing file": (FileNotFoundError(2, "No such file", "tokens"), "exception"),
}


@pytest.mark.parametrize(("error", "failure"), CLASSES.values(), ids=CLASSES)
def test_errors_have_classes(error: Exception, failure: str) -> None:
    assert classify(error) == failure
    assert failure in FAILURES


def test_the_error_of_another_process_decides() -> None:
    gone = RuntimeError("Connection closed by peer")
    assert classify(gone, "ValueError: bad shape") == "exception"
    assert classify(gone, "planners.records.errors.UsageError: no corpus") == "bad_data"
    assert classify(gone, "torch.OutOfMemoryError: CUDA out of memory") == "out_of_memory"


def test_states_of_slurm_have_classes() -> None:
    assert class_of_state("OUT_OF_MEMORY") == "out_of_memory"
    assert class_of_state("CANCELLED by 1000") == class_of_state(None) == class_of_state("NODE_FAIL") == "node_lost"
    assert class_of_state("TIMEOUT") == "timeout"
    assert class_of_state("PREEMPTED") == "preempted"
