"""Forecasts of a run: memory on a device and the micro-batch that fits, time, device-hours and price.

Memory is counted (`planners.architecture.memory`). Time follows from a utilisation or a speed that the user states.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from planners.architecture.devices import Device
from planners.architecture.memory import USABLE, Memory, memory, micro_batch
from planners.records.errors import UsageError
from planners.spec import RunSpec, Training


@dataclass(frozen=True, kw_only=True)
class Speed:
    """The assumed speed of runs; exactly one of the two fields is set."""

    mfu: float | None = None
    """Training FLOPs per second, under the convention of the plan, over the device's bf16 peak."""
    tokens_per_s: float | None = None
    """Measured training tokens per second."""

    def __post_init__(self) -> None:
        if (self.mfu is None) == (self.tokens_per_s is None):
            raise UsageError("give one of the two: a utilisation, or measured tokens per second")
        if self.mfu is not None and not 0 < self.mfu <= 1:
            raise UsageError(f"utilisation {self.mfu:g} is outside (0, 1]; give a fraction of the device's peak")


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The forecast of one run on one device. Null: not asked for."""

    run_id: str
    """The run."""
    memory: Memory | None
    """A training step with the micro-batch that fits; one sequence with recomputation where none fits."""
    micro_batch: int | None
    """Sequences in one forward pass; null where not even one fits."""
    recompute: bool
    """Whether they fit only if the backward pass computes the activations again."""
    device_hours: float | None
    """Training and evaluation on one device."""
    price: float | None
    """In the currency of the price per device-hour."""


@dataclass(frozen=True, kw_only=True)
class Total:
    """The forecast of several runs together. Null: not asked for."""

    device_hours: float | None
    """Hours of one device that does all runs, one after the other."""
    price: float | None
    """Sum of the prices."""
    memory: int | None
    """Bytes of the run that needs the most memory."""


def forecast(
    run: RunSpec, device: Device | None, speed: Speed | None, *, price_per_hour: float | None = None
) -> Forecast:
    """Return the forecast of `run` on one `device` at `speed`.

    Raises UsageError where a utilisation comes without a device, or a price without a speed.
    """
    if price_per_hour is not None and speed is None:
        raise UsageError("a price needs the time of the runs; give a utilisation or measured tokens per second too")
    hours = None if speed is None else tokens(run) / tokens_per_s(run, device, speed) / 3600
    fits = None if device is None else fitting(run, device)
    recompute = device is not None and fits is None
    if device is not None and recompute:
        fits = fitting(run, device, recompute=True)
    return Forecast(
        run_id=run.run_id,
        memory=None if device is None else _step(run, fits or 1, recompute),
        micro_batch=fits,
        recompute=recompute,
        device_hours=hours,
        price=None if hours is None or price_per_hour is None else hours * price_per_hour,
    )


def tokens(run: RunSpec) -> float:
    """Return the cost of a run in training tokens: D, and a third of the evaluated tokens (no backward pass)."""
    return run.training.D + evaluations(run.training) * run.training.eval_windows * run.training.seq_len / 3


def evaluations(training: Training) -> int:
    """Return the number of evaluations of a run that does not stop early."""
    return 1 if training.eval_steps is None else math.ceil(training.steps / training.eval_steps)


def tokens_per_s(run: RunSpec, device: Device | None, speed: Speed) -> float:
    """Return training tokens per second: as measured, or mfu * peak / M."""
    if speed.tokens_per_s is not None:
        return speed.tokens_per_s
    if device is None or speed.mfu is None:
        raise UsageError("a utilisation is a fraction of a device's peak; name the device too")
    if run.training.precision != "bf16":
        raise UsageError(
            f"a utilisation is a fraction of the bf16 peak, but {run.arm} is planned in {run.training.precision};"
            " add --precision bf16, or give --tokens-per-s as measured"
        )
    return speed.mfu * device.peak_bf16 / run.flops_per_token[run.flops_convention]


def fitting(run: RunSpec, device: Device, *, recompute: bool = False) -> int | None:
    """Return how many sequences of a batch fit on `device` in one forward pass; None where not even one does."""
    training = run.training
    count = training.batch_tokens // training.seq_len
    room = USABLE * device.memory
    return micro_batch(run.shape, training.precision, training.seq_len, count, room, recompute=recompute)


def total(forecasts: Iterable[Forecast]) -> Total:
    """Return the sums over all runs, and the largest memory."""
    made = list(forecasts)
    return Total(
        device_hours=_sum(one.device_hours for one in made),
        price=_sum(one.price for one in made),
        memory=max((one.memory.total for one in made if one.memory), default=None),
    )


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _step(run: RunSpec, sequences: int, recompute: bool) -> Memory:
    return memory(run.shape, run.training.precision, sequences * run.training.seq_len, recompute=recompute)
