"""How a run is carried out: devices, micro-batch, compilation; what it changes beyond rounding is said."""

from dataclasses import dataclass

from planners.records.errors import UsageError
from planners.spec import Training


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Settings that are no part of a run's identity; `record.json` holds those that it ended with.

    With dense models every setting leaves the result equal within rounding. With experts the balance loss and the
    capacity are those of one forward pass, so a batch in several parts (micro-batches times devices) balances each part
    by itself: a slightly different objective, which the flag `split_batch` of the record tells.
    """

    devices: int = 1
    """Processes that share each batch, each with a GPU of its own where there are any."""
    runs_per_device: int = 1
    """Runs that share each device; a GPU's memory is planned in as many parts, and times say little of one run."""
    micro_batch: int | None = None
    """Sequences in one forward pass of one process, at most; null: what memory holds. Halved where memory runs out."""
    compile: bool | None = None
    """Whether each block is compiled; null: on a GPU."""
    recompute: bool = False
    """Whether activations are computed again in the backward pass instead of being kept (arXiv 1604.06174)."""
    shard: bool = False
    """Whether weights, gradients and optimizer are divided among the devices (FSDP2) instead of copied (DDP)."""
    deterministic: bool = False
    """Whether a GPU may only use operations that repeat bit for bit; on a CPU they always do."""

    def __post_init__(self) -> None:
        for name in ("devices", "runs_per_device", "micro_batch"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} {value} must be at least 1")

    @property
    def devices_of_run(self) -> float:
        """Devices that the run takes: a part of one where runs share it."""
        return self.devices / self.runs_per_device


def check_shares(processes: int, training: Training) -> None:
    """Raise UsageError where a batch has no whole number of sequences for each of the processes."""
    count = training.batch_tokens // training.seq_len
    if count % processes:
        raise UsageError(
            f"the {count} sequences of a batch cannot be shared evenly by {processes} processes;"
            " choose a number that divides them"
        )
