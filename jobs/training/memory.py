"""How many sequences fit in one forward pass: an estimate to start with, halved when memory runs out."""

import torch

from planners.shape import Shape
from planners.spec import RunSpec

USED = 0.8
"""Share of the free memory that the estimate may fill."""


def micro_batch(spec: RunSpec, device: torch.device, count: int, *, recompute: bool, shards: int) -> int:
    """Return how many of the `count` sequences of a batch go through the model at once.

    On a CPU all of them. On a GPU as many as fit beside gradients and optimizer by `activation_bytes`, in equal parts.
    """
    if device.type != "cuda":
        return count
    free, _ = torch.cuda.mem_get_info(device)
    state = 12 * spec.shape.total // shards  # gradient and two moments, fp32; the weights are there already
    each = spec.training.seq_len * activation_bytes(spec.shape, spec.training.precision, recompute=recompute)
    fitting = max(1, int(USED * max(0, free - state)) // each)
    parts = -(-count // fitting)
    return -(-count // parts)


def activation_bytes(shape: Shape, precision: str, *, recompute: bool) -> int:
    """Return about how many bytes one token keeps for the backward pass.

    Counted by hand from what the products, norms and rotations of a layer read; real use differs with compilation.
    """
    size, heads = (2 if precision == "bf16" else 4), (shape.n_heads + 2 * shape.n_kv_heads) * shape.head_dim
    slots = 1 if shape.is_dense else shape.top_k
    hidden = max(shape.d_ff, slots * shape.d_expert + shape.d_shared)
    layer = 8 * shape.d_model + size * (3 * heads + 4 * hidden + (4 + 2 * slots) * shape.d_model)
    return layer + 4 * shape.n_layers * shape.d_model if recompute else shape.n_layers * layer


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out: of a GPU, or of the machine, for which torch has a RuntimeError of its own words."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )
