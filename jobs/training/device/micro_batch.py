"""The micro-batch: how many sequences one forward pass takes, and what happens if memory runs out."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from jobs.execution import Execution
from jobs.failures import says_memory
from jobs.training.device import environment
from planners.architecture import memory
from planners.records.errors import UsageError
from planners.spec import RunSpec


class OutOfMemory(UsageError):
    """Memory ran out, and the micro-batch cannot be halved. The message begins with `out of memory`."""


def micro_batch(
    spec: RunSpec, device: torch.device, count: int, *, recompute: bool = False, shards: int = 1, runs: int = 1
) -> int:
    """Return how many of the `count` sequences of a batch go through the model at once.

    On a CPU all of them. On a GPU as many as fit, according to `planners.architecture.memory`, into its free memory and
    into an equal part of its whole memory if several `runs` share it; at least one.
    """
    if device.type != "cuda":
        return count
    free, whole = torch.cuda.mem_get_info(device)
    present = memory.FP32 * spec.shape.total / shards  # the weights are already allocated
    training, room = spec.training, memory.USABLE * min(free, whole / runs - present) + present
    planned = memory.micro_batch(
        spec.shape, training.precision, training.seq_len, count, room, recompute=recompute, shards=shards
    )
    return planned or 1


def is_out_of_memory(error: Exception) -> bool:
    """Return whether memory ran out, on a GPU or the machine; torch and its libraries report it in many ways."""
    return isinstance(error, RuntimeError) and (isinstance(error, torch.OutOfMemoryError) or says_memory(str(error)))


def halved(count: int, device: torch.device) -> int:
    """Return the next smaller number of sequences to try, and give cached memory back to the device."""
    environment.free_cached(device)
    return -(-count // 2)


def cannot_halve(count: int) -> OutOfMemory:
    """Return the error of a process that cannot halve alone, because the other processes of its run would have to."""
    return OutOfMemory(
        f"out of memory with a micro-batch of {count} sequences; give --micro-batch {count // 2} (a run on several"
        " processes does not halve it by itself)"
    )


@contextmanager
def explained(spec: RunSpec, execution: Execution) -> Iterator[None]:
    """Turn errors that no smaller micro-batch can avoid, such as an optimizer that does not fit, into OutOfMemory."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemory(_sentence(spec, execution)) from error


def _sentence(spec: RunSpec, execution: Execution) -> str:
    """Return the message: the memory that one sequence needs, and ways to need less."""
    shards = execution.devices if execution.shard else 1
    training = spec.training
    need = memory.memory(spec.shape, training.precision, training.seq_len, recompute=execution.recompute, shards=shards)
    ways = [] if execution.recompute else ["--recompute"]
    ways += [f"more --devices{'' if execution.shard else ' with --shard'}", "a device with more memory"]
    return (
        f"out of memory: weights, gradients and optimizer take about {need.state / 1e9:.3g} GB and a forward pass of"
        f" one sequence {(need.total - need.state) / 1e9:.3g} GB; give {', '.join(ways)}, or plan fewer parameters or"
        " a shorter --seq-len"
    )
