"""What a run writes of itself while it trains: metrics.jsonl, and the sums behind a line of it."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jobs.training.network.routing import Routing

METRIC_LINES = 100
"""Most lines of metrics.jsonl per run, beside those of evaluations."""
PENDING = 32
"""Parts that are noted before they are summed: one operation for all of them costs little more than for one."""


class Part(NamedTuple):
    """What is noted of a part of a step's batch. It holds no activations, so many parts can be kept."""

    sequences: int
    """Sequences of the part."""
    loss: Tensor
    """Mean cross entropy in nats per token."""
    layers: list[tuple[Tensor, Tensor, Tensor]]
    """Load, dropped slots and balance loss of each MoE layer."""
    entropies: list[Tensor]
    """Entropy of each router, in the steps of which it is asked; in the others none."""

    @classmethod
    def of(cls, sequences: int, loss: Tensor, routings: list[Routing], *, detailed: bool) -> "Part":
        """Return what is noted of a forward pass, without gradient."""
        layers = [(routing.load, routing.dropped, routing.balance.detach()) for routing in routings]
        return cls(sequences, loss, layers, [routing.entropy for routing in routings] if detailed else [])


class Window:
    """Sums between two metrics lines, kept on the device so that no step waits for it.

    Means are weighted by sequences, so that the windows of several processes add up to one. float64 holds such sums
    exactly, so they do not depend on when they are taken, and a run that goes on from a checkpoint has the same.
    """

    def __init__(self, sequences: int) -> None:
        self.sequences = sequences
        """Sequences of a whole batch."""
        self.steps = 0
        self.norm: Tensor | None = None
        self._sums: dict[str, Tensor] = {}
        self._pending: list[Part] = []

    def add(self, parts: list[Part], norm: Tensor) -> None:
        """Add one step: the parts of its batch and its gradient norm before clipping."""
        self.steps, self.norm = self.steps + 1, norm
        self._pending += parts
        if len(self._pending) >= PENDING:
            self._settle()

    @property
    def sums(self) -> dict[str, Tensor]:
        """The sums of this process by name: of the loss a scalar, of the others one or more numbers an MoE layer."""
        self._settle()
        return self._sums

    def added_up(self, add_up: Callable[[Tensor], Tensor]) -> "Window":
        """Return the window of all processes; `add_up` gives the sum of a tensor over them."""
        whole = Window(self.sequences)
        whole.steps, whole.norm = self.steps, self.norm
        whole._sums = {name: add_up(value.clone()) for name, value in self.sums.items()}
        return whole

    def _settle(self) -> None:
        pending, self._pending = self._pending, []
        if not pending:
            return
        losses = torch.stack([part.loss for part in pending])
        counts = torch.tensor([part.sequences for part in pending], dtype=torch.float64)
        weights = counts.to(losses.device, non_blocking=True)
        self._add("loss", losses.double() @ weights)
        columns = list(zip(*(layer for part in pending for layer in part.layers), strict=True))
        if columns:
            load, dropped, balance = (_by_part(pending, column) for column in columns)
            self._add("load", load.sum(0))
            self._add("dropped", dropped.sum(0))
            self._add("balance", weights @ balance.double())
        detailed = [part for part in pending if part.entropies]
        if detailed:
            entropies = _by_part(detailed, [entropy for part in detailed for entropy in part.entropies])
            self._add("entropy", weights[-len(detailed) :] @ entropies.double())

    def _add(self, name: str, value: Tensor) -> None:
        self._sums[name] = self._sums[name] + value if name in self._sums else value

    def loss(self) -> float:
        """Mean cross entropy, nats per token."""
        return float(self.sums["loss"]) / (self.steps * self.sequences)

    def dropped(self) -> int:
        """Slots dropped, over all layers."""
        return int(self.sums["dropped"].sum()) if "dropped" in self.sums else 0

    def line(self, biases: list[Tensor]) -> dict[str, Any]:
        """Return the numbers of a metrics line; `biases` are those of the routers, one an MoE layer.

        Gradient norm and router entropy are those of the last step, the others are over all steps of the window.
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
        """Continue the sums of a checkpoint; they stand in one process, the others begin at zero."""
        self.steps, self.norm = state["steps"], state["norm"]
        self._sums = {name: (value if mine else 0 * value).to(device) for name, value in state["sums"].items()}


def _by_part(parts: list[Part], values: Sequence[Tensor]) -> Tensor:
    """Return values of each MoE layer of each part as one tensor (parts, layers, …)."""
    return torch.stack(list(values)).view(len(parts), -1, *values[0].shape)


class Metrics:
    """metrics.jsonl, one line at a time; reopened at the length that a checkpoint knows. One process `writes`."""

    def __init__(self, path: Path, *, writes: bool = True):
        self.path, self.writes = path, writes

    def open(self, size: int) -> None:
        """Open for appending and cut off what was written after the checkpoint."""
        if self.writes:
            self.path.touch()
            self.file = self.path.open("r+b")
            self.file.truncate(min(size, self.path.stat().st_size))
            self.file.seek(0, 2)

    def write(self, line: dict[str, Any]) -> None:
        """Append one line; it can be read at once."""
        if self.writes:
            self.file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
            self.file.flush()

    def size(self) -> int:
        """Bytes written."""
        return self.file.tell() if self.writes else 0

    def close(self) -> None:
        """Close the file."""
        if self.writes:
            self.file.close()


def finite(value: float) -> float | None:
    """Return the value, or None where it is no number."""
    return value if math.isfinite(value) else None
