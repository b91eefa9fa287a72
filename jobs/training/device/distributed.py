"""One run on several devices: each process takes its share of every batch (DDP), and of the weights if asked (FSDP2).

Processes are started by `jobs.run.ranks` or torchrun, which tell each its rank in the environment; one process alone
needs nothing of this. Which windows a step reads does not depend on how many processes there are.
"""

import os
from contextlib import AbstractContextManager, nullcontext
from inspect import signature
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from jobs.machine import check_devices


class Ranks:
    """The processes that share a run, seen from one of them."""

    def __init__(self, rank: int, size: int, device: torch.device):
        self.rank, self.size, self.device = rank, size, device
        # decisions travel over the processors, so that no step waits for a GPU
        self.control = dist.new_group(backend="gloo") if size > 1 else None

    @property
    def is_first(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def share(self, items: Any) -> Any:
        """Return this process's part of the items of a batch, whose number is a multiple of `size`."""
        count = len(items) // self.size
        return items[self.rank * count : (self.rank + 1) * count]

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """Return for each flag whether any process set it."""
        if self.size == 1:
            return flags
        told = torch.tensor(flags, dtype=torch.int32)
        dist.all_reduce(told, dist.ReduceOp.MAX, group=self.control)
        return tuple(bool(flag) for flag in told)

    def first(self, value: float) -> float:
        """Return the value of the first process."""
        if self.size == 1:
            return value
        told = torch.tensor(value, dtype=torch.float64)
        dist.broadcast(told, 0, group=self.control)
        return float(told)

    def least(self, value: int) -> int:
        """Return the least value of all processes."""
        if self.size == 1:
            return value
        told = torch.tensor(value)
        dist.all_reduce(told, dist.ReduceOp.MIN, group=self.control)
        return int(told)

    def sum(self, value: Tensor) -> Tensor:
        """Return the sum of a tensor over the processes, in place."""
        if self.size > 1:
            dist.all_reduce(value)
        return value

    def wrap(self, objective: nn.Module) -> nn.Module:
        """Return the module whose backward pass averages gradients over the processes."""
        if self.size == 1 or any(_is_sharded(weight) for weight in objective.parameters()):
            return objective
        from torch.nn.parallel import DistributedDataParallel

        ids = [self.device.index] if self.device.type == "cuda" else None
        known = signature(DistributedDataParallel.__init__).parameters
        renamed = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
        quiet: dict[str, Any] = {renamed: False}  # the only buffers are router biases, which every process steps alike
        return DistributedDataParallel(objective, device_ids=ids, gradient_as_bucket_view=True, **quiet)

    def accumulate(self, objective: nn.Module, *, last: bool) -> AbstractContextManager[object]:
        """Return the context of one part of a batch: gradients are exchanged after the `last` part only.

        Where weights are divided, after every part: until then a process would hold the gradient of all of them.
        """
        if last or not hasattr(objective, "no_sync"):
            return nullcontext()
        return objective.no_sync()  # type: ignore[operator, no-any-return]


def join() -> Ranks:
    """Return the processes of this run: those that were started together, or this one alone.

    Raises UsageError where there are more of them on this machine than it has GPUs, or cores without one.
    """
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    # tasks of a Slurm job that train runs of their own see all of its GPUs on many clusters
    alone = os.environ.get("SLURM_LOCALID", "0") if os.environ.get("SUBMITIT_EXECUTOR") == "slurm" else "0"
    here, count = int(os.environ.get("LOCAL_RANK", alone)), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if os.environ.get("SUBMITIT_EXECUTOR") != "slurm":  # which may show each task its own device only
        check_devices(count)
    device = torch.device("cuda", here % gpus) if gpus else torch.device("cpu")
    if gpus:
        torch.cuda.set_device(device)
    if size > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if gpus else "gloo", device_id=device if gpus else None)
    return Ranks(rank, size, device)


def leave() -> None:
    """End what `join` began, where it ended well; after a failure the other processes would be waited for in vain."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def shard(model: nn.Module, blocks: nn.ModuleList, methods: tuple[str, ...]) -> None:
    """Divide the weights of `model` among the processes, block by block (FSDP2, arXiv 2304.11277).

    `methods` are the ways besides forward in which the model is called. The weights outside the blocks stay whole from
    the forward to the end of the backward pass, because the loss reads the head's.
    """
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    for block in blocks:
        fully_shard(block)
    fully_shard(model, reshard_after_forward=False)
    for method in methods:
        register_fsdp_forward_method(model, method)


def whole(value: Tensor) -> Tensor:
    """Return a tensor put together on every process, where it is divided."""
    return value.full_tensor() if _is_sharded(value) else value  # type: ignore[attr-defined]


def gathered(value: Any, *, keep: bool) -> Any:
    """Return a state, in nested dicts and lists, with its divided tensors put together one by one, in host memory.

    Every process has to call this; where it is not to `keep` the whole, None stands for such a tensor.
    """
    if isinstance(value, dict):
        return {name: gathered(item, keep=keep) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(gathered(item, keep=keep) for item in value)
    if not _is_sharded(value):
        return value
    full = value.full_tensor()
    return full.cpu() if keep else None


def divided_like(value: Tensor, weight: Tensor) -> Tensor:
    """Return a whole tensor divided as `weight` is; one of another shape, such as a step count, stays whole."""
    if not _is_sharded(weight) or value.shape != weight.shape:
        return value
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(weight, DTensor)
    return distribute_tensor(value.to(weight.device), weight.device_mesh, weight.placements)


def _is_sharded(value: Any) -> bool:
    return hasattr(value, "full_tensor")
