"""How a run is carried out: devices, micro-batch, compilation. None of it is part of the run's identity."""

from dataclasses import dataclass

from planners.records.errors import UsageError
from planners.spec import Training


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Settings that do not enter the run id; `record.json` keeps the ones that the run ended with.

    For a dense model, every setting gives the same result within rounding. With experts, the balance loss and the
    capacity are computed per forward pass. A batch in several parts (micro-batches times devices) therefore balances
    each part by itself, which is a slightly different objective; the record then carries the flag `split_batch`.
    """

    devices: int = 1
    """Processes that share each batch, each with its own GPU where the machine has any."""
    runs_per_device: int = 1
    """Runs that share each device: each plans for its part of the GPU's memory. A sweep derives this number from
    `Cluster.runs_per_gpu` and the GPUs of a job; throughput of a shared device says little about a single run."""
    micro_batch: int | None = None
    """Most sequences in one forward pass of one process; null: as many as memory holds. Halved when memory runs out."""
    compile: bool | None = None
    """Whether each block is compiled; null: on a GPU."""
    recompute: bool = False
    """Whether the backward pass recomputes activations instead of keeping them (arXiv 1604.06174)."""
    shard: bool = False
    """Whether weights, gradients and optimizer state are divided among the devices (FSDP2), not copied (DDP)."""
    deterministic: bool = False
    """Whether a GPU may use only operations that repeat bit for bit; a CPU always does."""

    def __post_init__(self) -> None:
        for name in ("devices", "runs_per_device", "micro_batch"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} {value} must be at least 1")

    @property
    def devices_of_run(self) -> float:
        """Devices that the run occupies: a fraction where runs share a device."""
        return self.devices / self.runs_per_device


def check_shares(processes: int, training: Training) -> None:
    """Raise UsageError unless the sequences of a batch divide evenly among `processes`."""
    count = training.batch_tokens // training.seq_len
    if count % processes:
        raise UsageError(
            f"a batch of {count} sequences cannot be divided evenly among {processes} processes;"
            f" choose --devices that divides {count}"
        )
