"""How long runs will take, and which of them share a job.

A run is expected to be as fast as the finished runs of its shape, else to reach the FLOP/s of the study's finished
runs, else a stated guess. Small runs share a job until it is predicted to be long enough to be worth its start; a run
whose parent is still to be trained comes in a later generation.
"""

import heapq
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from jobs.record import RunRecord
from planners.architecture.shape import Shape
from planners.forecast import Speed, forecast
from planners.spec import RunSpec

CPU_FLOPS = 1e10
"""FLOP/s that small models are guessed to reach on one thread of a processor, evaluation and start included."""
GPU_FLOPS = 5e13
"""The same of a GPU."""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """What predicts the time of runs."""

    by_shape: dict[Shape, float] = field(default_factory=dict)
    """Median training tokens per second and device of the finished runs of each shape."""
    measured: float | None = None
    """Median FLOP/s of a device of the finished runs; null where there are none."""
    n_measured: int = 0
    """Finished runs that this was learned from."""
    guess: float = CPU_FLOPS
    """FLOP/s of a device where nothing was measured."""
    given: bool = False
    """Whether the user gave the guess."""
    devices: int = 1
    """Devices of a run to come; its speed is expected to grow with them."""

    def seconds(self, spec: RunSpec) -> float:
        """Return the seconds that a run is expected to take on its devices, from its start."""
        speed = self.by_shape.get(spec.shape)
        if speed is None:
            flops = self.measured or self.guess * (1 if self.given else spec.training.threads)
            speed = flops / spec.flops_per_token[spec.flops_convention]
        hours = forecast(spec, None, Speed(tokens_per_s=speed * self.devices)).device_hours
        return 3600 * (hours or 0.0)

    @property
    def source(self) -> str:
        """What a prediction rests on, for a person."""
        if self.n_measured:
            return f"from {self.n_measured} finished runs"
        whose = "as given" if self.given else "a guess, until runs are done"
        return f"at {self.guess:.3g} FLOP/s a {'device' if self.given or self.guess > CPU_FLOPS else 'thread'}, {whose}"


def learn(
    records: Iterable[RunRecord], *, gpu: bool = False, flops_per_s: float | None = None, devices: int = 1
) -> Clock:
    """Return the clock that the finished runs of a study teach, for runs on so many devices each."""
    by_shape: dict[Shape, list[float]] = {}
    flops = []
    for record in records:
        if record.tokens_per_s and record.D_seen and "simulated" not in record.flags:
            speed = record.tokens_per_s / (record.execution.devices if record.execution else 1)
            by_shape.setdefault(record.spec.shape, []).append(speed)
            flops.append(speed * record.spec.flops_per_token[record.spec.flops_convention])
    return Clock(
        by_shape={shape: statistics.median(speeds) for shape, speeds in by_shape.items()},
        measured=statistics.median(flops) if flops else None,
        n_measured=len(flops),
        guess=flops_per_s or (GPU_FLOPS if gpu else CPU_FLOPS),
        given=flops_per_s is not None,
        devices=devices,
    )


def generations(runs: Sequence[RunSpec]) -> list[list[RunSpec]]:
    """Return the runs so that the parent of each, where it is among them, is in an earlier list."""
    by_id = {run.run_id: run for run in runs}
    depth: dict[str, int] = {}

    def of(run: RunSpec) -> int:
        parent = by_id.get(run.training.init_from or "")
        if run.run_id not in depth:
            depth[run.run_id] = 0 if parent is None else 1 + of(parent)
        return depth[run.run_id]

    found: list[list[RunSpec]] = [[] for _ in range(1 + max(map(of, runs), default=-1))]
    for run in runs:
        found[depth[run.run_id]].append(run)
    return found


def pack(seconds: dict[str, float], target_s: float, at_least: int = 1) -> list[list[str]]:
    """Return the runs in packs of about `target_s` seconds, the longest first, in every pack and of all packs.

    Runs as long as the target have a pack of their own; the others go one by one to the pack that has least. There are
    `at_least` packs where there are runs enough.
    """
    ordered = sorted(seconds, key=lambda run_id: -seconds[run_id])
    alone = [[run_id] for run_id in ordered if seconds[run_id] >= target_s]
    small = ordered[len(alone) :]
    wanted = math.ceil(sum(seconds[run_id] for run_id in small) / target_s) if small else 0
    count = min(len(small), max(wanted, at_least - len(alone), 1))
    heap = [(0.0, number) for number in range(count)]
    shared: list[list[str]] = [[] for _ in range(count)]
    for run_id in small:
        load, number = heapq.heappop(heap)
        shared[number].append(run_id)
        heapq.heappush(heap, (load + seconds[run_id], number))
    return alone + shared


def split(packs: Sequence[list[str]], size: int) -> list[list[list[str]]]:
    """Return the packs in arrays of `size` at most."""
    return [list(packs[first : first + size]) for first in range(0, len(packs), size)]
