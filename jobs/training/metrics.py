"""The metrics of a run in training: `metrics.jsonl`, and the sums behind each of its lines."""

import json
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jobs.training.network.routing import Routing
from planners.records.files import open_own

METRIC_LINES = 100
"""Most lines of `metrics.jsonl` per run; lines for evaluations come on top."""
PENDING = 32
"""Micro-batches that are collected before they are summed: one operation on all costs little more than on one."""


class MicroBatch(NamedTuple):
    """The metrics of one micro-batch. It holds no activations, so many can be kept."""

    sequences: int
    """Its sequences."""
    loss: Tensor
    """Mean loss of the objective, nats per token."""
    layers: list[tuple[Tensor, Tensor, Tensor]]
    """Load, dropped slots and balance loss of each MoE layer."""
    entropies: list[Tensor]
    """Entropy of each router, in the last step before a metrics line; otherwise empty."""

    @classmethod
    def of(cls, sequences: int, loss: Tensor, routings: list[Routing], *, detailed: bool) -> "MicroBatch":
        """Return the metrics of a forward pass, without gradient."""
        layers = [(routing.load, routing.dropped, routing.balance.detach()) for routing in routings]
        return cls(sequences, loss, layers, [routing.entropy for routing in routings] if detailed else [])


class MetricSums:
    """Sums over the steps between two metrics lines, kept on the device so that no step waits for it.

    Means are weighted by sequences, so the sums of several processes can be added. float64 holds such sums exactly:
    they do not depend on when they are taken, and a resumed run has the same.
    """

    def __init__(self, sequences: int) -> None:
        self.sequences = sequences
        """Sequences of a whole batch."""
        self.steps = 0
        self.norm: Tensor | None = None
        self._sums: dict[str, Tensor] = {}
        self._pending: list[MicroBatch] = []

    def add(self, micro_batches: list[MicroBatch], norm: Tensor) -> None:
        """Add one step: its micro-batches and its gradient norm before clipping."""
        self.steps, self.norm = self.steps + 1, norm
        self._pending += micro_batches
        if len(self._pending) >= PENDING:
            self._settle()

    @property
    def sums(self) -> dict[str, Tensor]:
        """The sums of this process by name: a scalar for the loss, one or more numbers per MoE layer for the others."""
        self._settle()
        return self._sums

    def of_all(self, sum_over_processes: Callable[[Tensor], Tensor]) -> "MetricSums":
        """Return the sums of all processes together; the argument adds a tensor up over the processes."""
        whole = MetricSums(self.sequences)
        whole.steps, whole.norm = self.steps, self.norm
        whole._sums = {name: sum_over_processes(value.clone()) for name, value in self.sums.items()}
        return whole

    def _settle(self) -> None:
        pending, self._pending = self._pending, []
        if not pending:
            return
        losses = torch.stack([one.loss for one in pending])
        counts = torch.tensor([one.sequences for one in pending], dtype=torch.float64)
        weights = counts.to(losses.device, non_blocking=True)
        self._add("loss", losses.double() @ weights)
        columns = list(zip(*(layer for one in pending for layer in one.layers), strict=True))
        if columns:
            load, dropped, balance = (_stacked(pending, column) for column in columns)
            self._add("load", load.sum(0))
            self._add("dropped", dropped.sum(0))
            self._add("balance", weights @ balance.double())
        detailed = [one for one in pending if one.entropies]
        if detailed:
            entropies = _stacked(detailed, [entropy for one in detailed for entropy in one.entropies])
            # Only the last step is detailed, so its micro-batches are the last ones.
            self._add("entropy", weights[-len(detailed) :] @ entropies.double())

    def _add(self, name: str, value: Tensor) -> None:
        self._sums[name] = self._sums[name] + value if name in self._sums else value

    def loss(self) -> float:
        """Return the mean loss, nats per token."""
        return float(self.sums["loss"]) / (self.steps * self.sequences)

    def dropped(self) -> int:
        """Return the number of dropped slots, over all layers."""
        return int(self.sums["dropped"].sum()) if "dropped" in self.sums else 0

    def slots(self, before: list[float]) -> list[float]:
        """Return the slots that were computed in each MoE layer, added to those of earlier metrics lines."""
        now = self.sums["load"].sum(1).tolist()
        return [float(count + earlier) for count, earlier in zip(now, before or [0.0] * len(now), strict=True)]

    def line(self, biases: list[Tensor]) -> dict[str, Any]:
        """Return the numbers of a metrics line; `biases` holds the router bias of each MoE layer.

        Gradient norm and router entropy are of the last step; the other numbers are over all steps.
        """
        norm = None if self.norm is None else finite(float(self.norm))
        line = {"loss": finite(self.loss()), "grad_norm": norm}
        if "load" not in self.sums:
            return {**line, "balance": None, "max_load": None}
        layers = self._layers(biases)
        balance = self.sums["balance"].mean() / (self.steps * self.sequences)
        return {**line, "balance": finite(float(balance)), "max_load": max(layers["max_load"]), "layers": layers}

    def _layers(self, biases: list[Tensor]) -> dict[str, list[Any]]:
        """Return the numbers of each MoE layer."""
        load = self.sums["load"].double()
        relative = load / load.mean(1, keepdim=True)
        columns: dict[str, Tensor] = {
            "max_load": relative.amax(1),
            "load_cv": relative.std(1, correction=0),
            "dead_experts": (relative < 0.01).sum(1),
            "dropped": self.sums["dropped"] / load.sum(1),
            "entropy": self.sums["entropy"] / self.sequences,
            "bias_range": torch.stack([bias.max() - bias.min() for bias in biases]),
        }
        return {name: [finite(value) for value in column.tolist()] for name, column in columns.items()}

    def state(self) -> dict[str, Any]:
        """Return the sums, for a checkpoint."""
        return {"steps": self.steps, "sums": self.sums, "norm": self.norm}

    def restore(self, state: dict[str, Any], device: torch.device, *, mine: bool) -> None:
        """Continue the sums of a checkpoint: one process keeps them (`mine`), the others begin at zero."""
        self.steps, self.norm = state["steps"], state["norm"]
        self._sums = {name: (value if mine else 0 * value).to(device) for name, value in state["sums"].items()}


def _stacked(micro_batches: list[MicroBatch], values: Sequence[Tensor]) -> Tensor:
    """Return values of each MoE layer of each micro-batch as one tensor (micro-batches, layers, …)."""
    return torch.stack(list(values)).view(len(micro_batches), -1, *values[0].shape)


class MetricsFile:
    """`metrics.jsonl`, written one line at a time and by one process only (`writes`)."""

    def __init__(self, path: Path, *, writes: bool = True):
        self.path, self.writes = path, writes

    def open(self, size: int) -> None:
        """Open for appending, and cut the file to the `size` in bytes that the checkpoint knows."""
        if self.writes:  # lines after the checkpoint would be written a second time
            self.file = os.fdopen(open_own(self.path, os.O_RDWR | os.O_CREAT), "r+b")
            self.file.truncate(min(size, self.path.stat().st_size))
            self.file.seek(0, 2)

    def write(self, line: dict[str, Any]) -> None:
        """Append one line and flush, so that it can be read at once."""
        if self.writes:
            self.file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
            self.file.flush()

    def size(self) -> int:
        """Return the bytes written so far."""
        return self.file.tell() if self.writes else 0

    def close(self) -> None:
        """Close the file."""
        if self.writes:
            self.file.close()


def finite(value: float) -> float | None:
    """Return the value, or None if it is infinite or NaN."""
    return value if math.isfinite(value) else None
