"""How long runs will take, predicted from the finished runs of the study.

A run is predicted to be as fast as the finished runs of its shape. If there are none, it is predicted to reach the
FLOP/s of the study's finished runs; before any run has finished, the forecast of the plan is used, or a stated guess.
"""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from jobs.record import RunRecord
from planners.architecture.shape import Shape
from planners.forecast import Speed, StoredForecast, forecast
from planners.spec import RunSpec

CPU_FLOPS = 2e10
"""Guess of the FLOP/s that small models reach on one CPU thread, evaluation and start-up included: `make study` trains
27 runs of 1e12 FLOPs in under 10 minutes on two threads (`LOG.md`, 2026-11-23)."""
GPU_FLOPS = 5e13
"""The same for one GPU."""


@dataclass(frozen=True, kw_only=True)
class RunTimes:
    """Speeds that predict how long runs take."""

    by_shape: dict[Shape, float] = field(default_factory=dict)
    """Median training tokens per second per device, over the finished runs of each shape."""
    measured: float | None = None
    """Median FLOP/s per device over all finished runs; null if there are none."""
    n_measured: int = 0
    """Number of finished runs."""
    guess: float = CPU_FLOPS
    """FLOP/s per device before any run has finished."""
    given: bool = False
    """Whether the user gave `guess`."""
    devices: int = 1
    """Devices of a future run; speed is assumed proportional to them."""
    planned: StoredForecast | None = None
    """The forecast of the plan, where it is for the devices of this sweep."""

    def seconds(self, spec: RunSpec) -> float:
        """Return the predicted seconds of a whole run on its devices."""
        speed = self.by_shape.get(spec.shape)
        if speed is None and self.uses_plan and spec.run_id in self.planned_hours:
            return 3600 * self.planned_hours[spec.run_id] / self.devices
        if speed is None:
            flops = self.measured or self.guess * (1 if self.given else spec.training.threads)
            speed = flops / spec.flops_per_token[spec.flops_convention]
        hours = forecast(spec, None, Speed(tokens_per_s=speed * self.devices)).device_hours
        return 3600 * (hours or 0.0)

    @property
    def uses_plan(self) -> bool:
        """Whether predictions come from the forecast of the plan."""
        return bool(self.planned) and not self.given and self.measured is None

    @property
    def planned_hours(self) -> dict[str, float]:
        """Run id -> device-hours in the forecast of the plan."""
        return self.planned.device_hours if self.planned else {}

    @property
    def source(self) -> str:
        """What the predictions are based on, in words."""
        if self.n_measured:
            return f"from {self.n_measured} finished runs"
        if self.uses_plan and self.planned:
            return f"as the plan forecasts{f' for {self.planned.device}' if self.planned.device else ''}"
        whose = "as given" if self.given else "a guess until runs have finished"
        unit = "device" if self.given or self.guess > CPU_FLOPS else "thread"
        return f"at {self.guess:.3g} FLOP/s per {unit}, {whose}"


def measured_times(
    records: Iterable[RunRecord],
    *,
    gpu: bool = False,
    flops_per_s: float | None = None,
    devices: int = 1,
    planned: StoredForecast | None = None,
) -> RunTimes:
    """Return the speeds of finished runs, to predict runs on `devices` devices each. Simulated runs have no speed.

    `planned` is used before any run has finished; a forecast for a GPU says nothing of runs on CPUs.
    """
    by_shape: dict[Shape, list[float]] = {}
    flops = []
    for record in records:
        if record.tokens_per_s and record.D_seen and not record.is_simulated:
            speed = record.tokens_per_s / (record.execution.devices if record.execution else 1)
            by_shape.setdefault(record.spec.shape, []).append(speed)
            flops.append(speed * record.spec.flops_per_token[record.spec.flops_convention])
    return RunTimes(
        by_shape={shape: statistics.median(speeds) for shape, speeds in by_shape.items()},
        measured=statistics.median(flops) if flops else None,
        n_measured=len(flops),
        guess=flops_per_s or (GPU_FLOPS if gpu else CPU_FLOPS),
        given=flops_per_s is not None,
        devices=devices,
        planned=planned if planned and (gpu or planned.device is None) else None,
    )
