"""How many sequences fit in one forward pass: an estimate to start with, halved when memory runs out."""

import torch

from planners import memory
from planners.spec import RunSpec


def micro_batch(spec: RunSpec, device: torch.device, count: int, *, recompute: bool, shards: int) -> int:
    """Return how many of the `count` sequences of a batch go through the model at once.

    On a CPU all of them. On a GPU as many as `planners.memory` says will fit, and one where it says that none will.
    """
    if device.type != "cuda":
        return count
    free, _ = torch.cuda.mem_get_info(device)
    present = memory.FP32 * spec.shape.total / shards  # the weights are there already
    training, room = spec.training, memory.USABLE * free + present
    planned = memory.micro_batch(
        spec.shape, training.precision, training.seq_len, count, room, recompute=recompute, shards=shards
    )
    return planned or 1


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out: of a GPU, or of the machine, for which torch has a RuntimeError of its own words."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )
