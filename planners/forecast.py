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
    devices: int = 1
    """Devices that share the run."""

    @property
    def hours(self) -> float | None:
        """Wall-clock hours of the run, if its devices share the work evenly."""
        return None if self.device_hours is None else self.device_hours / self.devices


@dataclass(frozen=True, kw_only=True)
class StoredForecast:
    """The forecast that a study keeps (`forecast.json`), from which a sweep predicts before any run has finished."""

    device: str | None
    """Name of the device; null: the speeds were given as tokens per second of whatever device trains."""
    devices: int
    """Devices that share a run."""
    device_hours: dict[str, float]
    """Run id -> hours on one device."""


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The forecast of all runs on a number of devices."""

    count: int
    """Devices."""
    wall_clock_hours: float
    """From the first start to the last end; the longest runs start first."""
    longest_hours: float
    """Wall-clock of the longest run."""
    idle: float
    """Share of the device-hours in which a device has no run left."""


@dataclass(frozen=True, kw_only=True)
class Total:
    """The forecast of several runs together. Null: not asked for."""

    device_hours: float | None
    """Hours of one device that does all runs, one after the other."""
    price: float | None
    """Sum of the prices."""
    memory: int | None
    """Bytes of the run that needs the most memory."""


ASSUMED_MFU = {"dense": 0.4, "MoE": 0.25}
"""Utilisation that a forecast assumes where none is given: MoE is slower, by dispatch and small matrix products."""


def assumed_speed(run: RunSpec) -> Speed:
    """Return the speed that is assumed for a run whose speed nobody measured."""
    return Speed(mfu=ASSUMED_MFU[kind_of(run)])


def kind_of(run: RunSpec) -> str:
    """Return dense or MoE."""
    return "dense" if run.shape.is_dense else "MoE"


def forecast(
    run: RunSpec,
    device: Device | None,
    speed: Speed | None,
    *,
    price_per_hour: float | None = None,
    devices: int = 1,
    shard: bool = False,
) -> Forecast:
    """Return the forecast of `run` on `devices` of one kind, each at `speed`.

    `shard` divides weights, gradients and optimizer among the devices; without it each holds all of them. Raises
    UsageError where a utilisation comes without a device, or a price without a speed.
    """
    if price_per_hour is not None and speed is None:
        raise UsageError("a price needs the time of the runs; give a utilisation or measured tokens per second too")
    hours = None if speed is None else tokens(run) / tokens_per_s(run, device, speed) / 3600
    shards = devices if shard else 1
    fits = None if device is None else fitting(run, device, devices=devices, shards=shards)
    recompute = device is not None and fits is None
    if device is not None and recompute:
        fits = fitting(run, device, recompute=True, devices=devices, shards=shards)
    return Forecast(
        run_id=run.run_id,
        memory=None if device is None else _step(run, fits or 1, recompute, shards),
        micro_batch=fits,
        recompute=recompute,
        device_hours=hours,
        price=None if hours is None or price_per_hour is None else hours * price_per_hour,
        devices=devices,
    )


def fleet(made: Iterable[Forecast], count: int) -> Fleet | None:
    """Return the forecast of all runs on `count` devices, or None where no run has hours.

    Each run takes its devices from start to end, and the longest wait first. Raises UsageError where a run needs more
    devices than there are.
    """
    runs = sorted(((one.hours, one.devices) for one in made if one.hours is not None), reverse=True)
    if not runs:
        return None
    if max(devices for _, devices in runs) > count:
        raise UsageError(
            f"--devices {max(devices for _, devices in runs)} are more than --count {count}; raise --count"
        )
    free = [0.0] * count  # sorted hours at which the devices become free
    for hours, devices in runs:
        end = free[devices - 1] + hours
        free = sorted([end] * devices + free[devices:])
    busy = sum(hours * devices for hours, devices in runs)
    return Fleet(count=count, wall_clock_hours=free[-1], longest_hours=runs[0][0], idle=1 - busy / (free[-1] * count))


def fewest_shards(run: RunSpec, device: Device, most: int = 1024) -> int | None:
    """Return the fewest devices, a power of two, that a run fits on when it is sharded and recomputes."""
    counts = (2**power for power in range(1, most.bit_length()))
    fit = (count for count in counts if fitting(run, device, recompute=True, devices=count, shards=count))
    return next(fit, None)


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


def fitting(run: RunSpec, device: Device, *, recompute: bool = False, devices: int = 1, shards: int = 1) -> int | None:
    """Return how many sequences of a batch fit on `device` in one forward pass; None where not even one does.

    The batch is divided among `devices`, the state among `shards`.
    """
    training = run.training
    count = max(1, training.batch_tokens // training.seq_len // devices)
    room = USABLE * device.memory
    return micro_batch(run.shape, training.precision, training.seq_len, count, room, recompute=recompute, shards=shards)


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


def _step(run: RunSpec, sequences: int, recompute: bool, shards: int) -> Memory:
    tokens_at_once = sequences * run.training.seq_len
    return memory(run.shape, run.training.precision, tokens_at_once, recompute=recompute, shards=shards)
