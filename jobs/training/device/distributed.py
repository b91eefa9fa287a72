"""One run on several devices: each process takes a part of every batch (DDP), and with `shard` of the weights (FSDP2).

`jobs.run.ranks` or torchrun starts the processes and gives each its rank in the environment. The windows that a step
reads do not depend on the number of processes.
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
        # Decisions are exchanged between CPUs (gloo): over the GPUs, every step would wait for its GPU.
        self.control = dist.new_group(backend="gloo") if size > 1 else None

    @property
    def is_first(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def share(self, items: Any) -> Any:
        """Return this process's part of the items of a batch; their number must be a multiple of `size`."""
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
        """Return the smallest value of all processes."""
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

    def wrap(self, loss: nn.Module) -> nn.Module:
        """Return `loss` as a module whose backward pass averages gradients over the processes.

        FSDP2 does that itself for sharded weights.
        """
        if self.size == 1 or any(_is_sharded(weight) for weight in loss.parameters()):
            return loss
        from torch.nn.parallel import DistributedDataParallel

        ids = [self.device.index] if self.device.type == "cuda" else None
        known = signature(DistributedDataParallel.__init__).parameters
        renamed = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
        quiet: dict[str, Any] = {renamed: False}  # the only buffers are router biases, equal in all processes
        return DistributedDataParallel(loss, device_ids=ids, gradient_as_bucket_view=True, **quiet)

    def accumulate(self, loss: nn.Module, *, last: bool) -> AbstractContextManager[object]:
        """Return the context of one micro-batch: gradients are exchanged only after the `last` one.

        With sharded weights they are exchanged every time: otherwise a process would hold all gradients unsharded.
        """
        if last or not hasattr(loss, "no_sync"):
            return nullcontext()
        return loss.no_sync()  # type: ignore[operator, no-any-return]


def join() -> Ranks:
    """Return the processes of this run: those started together, or this one alone.

    Raises UsageError if this machine has fewer GPUs than processes (without GPUs: fewer cores).
    """
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    # On many clusters, tasks of a Slurm job that train separate runs all see all of its GPUs.
    alone = os.environ.get("SLURM_LOCALID", "0") if os.environ.get("SUBMITIT_EXECUTOR") == "slurm" else "0"
    here, count = int(os.environ.get("LOCAL_RANK", alone)), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if os.environ.get("SUBMITIT_EXECUTOR") != "slurm":  # Slurm may show each task only its own device
        check_devices(count)
    device = torch.device("cuda", here % gpus) if gpus else torch.device("cpu")
    if gpus:
        torch.cuda.set_device(device)
    if size > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if gpus else "gloo", device_id=device if gpus else None)
    return Ranks(rank, size, device)


def leave() -> None:
    """Leave the group that `join` entered. Call it only after success: after a failure it would wait for ever."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


def shard(model: nn.Module, blocks: nn.ModuleList, methods: tuple[str, ...]) -> None:
    """Shard the weights of `model` over the processes, block by block (FSDP2, arXiv 2304.11277).

    `methods` names the methods other than forward that are called. Weights outside the blocks stay gathered from the
    forward pass to the end of the backward pass, because the loss reads the head.
    """
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    for block in blocks:
        fully_shard(block)
    fully_shard(model, reshard_after_forward=False)
    for method in methods:
        register_fsdp_forward_method(model, method)


def whole(value: Tensor) -> Tensor:
    """Return a tensor, gathered on every process if it is sharded."""
    return value.full_tensor() if _is_sharded(value) else value  # type: ignore[attr-defined]


def gathered(value: Any, *, keep: bool) -> Any:
    """Return a state of nested dicts and lists with its sharded tensors gathered one by one, in host memory.

    Every process must call this. A process that does not `keep` the result gets None in place of such tensors.
    """
    if isinstance(value, dict):
        return {name: gathered(item, keep=keep) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(gathered(item, keep=keep) for item in value)
    if not _is_sharded(value):
        return value
    full = value.full_tensor()
    return full.cpu() if keep else None


def sharded_like(value: Tensor, weight: Tensor) -> Tensor:
    """Return a tensor sharded like `weight`; one of another shape, such as a step count, stays whole."""
    if not _is_sharded(weight) or value.shape != weight.shape:
        return value
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(weight, DTensor)
    return distribute_tensor(value.to(weight.device), weight.device_mesh, weight.placements)


def _is_sharded(value: Any) -> bool:
    return hasattr(value, "full_tensor")
