"""What a run writes of itself while it trains: metrics.jsonl, and the sums behind a line of it."""

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jobs.training.routing import Routing

METRIC_LINES = 100
"""Most lines of metrics.jsonl per run, beside those of evaluations."""
SAMPLED_STEPS = 8
"""Balance loss and entropy of the routers are taken on one step in so many: they move slowly, and kernels cost time."""
Part = tuple[float, Tensor, list[Routing]]
"""A part of a step's batch: its share, its cross entropy (without gradient), the routing of each MoE layer."""


class Window:
    """Sums between two metrics lines, kept on the device so that no step waits for it.

    Counts are sums and means are weighted by share, so that the windows of several processes add up to one.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.sums: dict[str, Tensor] = {}
        self.norm: Tensor | None = None

    def add(self, parts: list[Part], norm: Tensor) -> None:
        """Add one step: the parts of its batch and its gradient norm before clipping."""
        for share, entropy, routings in parts:
            self._sum("loss", entropy.double() * share)
            if routings:
                self._sum("load", torch.stack([routing.load for routing in routings]))  # (MoE layers, n_experts)
                self._sum("dropped", torch.stack([routing.dropped for routing in routings]))
            if routings and self.steps % SAMPLED_STEPS == 0:
                self._sum("entropy", torch.stack([routing.entropy for routing in routings]) * share)
                self._sum("balance", torch.stack([routing.balance.detach() for routing in routings]) * share)
        self.steps, self.norm = self.steps + 1, norm

    def _sum(self, name: str, value: Tensor) -> None:
        if name in self.sums:
            self.sums[name] += value
        else:
            self.sums[name] = value

    @property
    def samples(self) -> int:
        """Steps on which the routers' balance loss and entropy were taken: the first and each `SAMPLED_STEPS`-th."""
        return -(-self.steps // SAMPLED_STEPS)

    def loss(self) -> float:
        """Mean cross entropy, nats per token."""
        return float(self.sums["loss"]) / self.steps

    def dropped(self) -> int:
        """Slots dropped, over all layers."""
        return int(self.sums["dropped"].sum()) if "dropped" in self.sums else 0

    def line(self, biases: list[Tensor]) -> dict[str, Any]:
        """Return the numbers of a metrics line; `biases` are those of the routers, one an MoE layer."""
        norm = None if self.norm is None else finite(float(self.norm))
        line = {"loss": finite(self.loss()), "grad_norm": norm}
        if "load" not in self.sums:
            return {**line, "balance": None, "max_load": None}
        layers = self._layers(biases)
        balance = self.sums["balance"].double().mean() / self.samples
        return {**line, "balance": finite(float(balance)), "max_load": max(layers["max_load"]), "layers": layers}

    def _layers(self, biases: list[Tensor]) -> dict[str, list[Any]]:
        """Return the numbers of each MoE layer."""
        load = self.sums["load"].double()
        relative = load / load.mean(1, keepdim=True)
        columns = {
            "max_load": relative.amax(1),
            "load_cv": relative.std(1, correction=0),
            "dead_experts": (relative < 0.01).sum(1),
            "dropped": self.sums["dropped"] / load.sum(1),
            "entropy": self.sums["entropy"] / self.samples,
            "bias_range": torch.stack([bias.max() - bias.min() for bias in biases]),
        }
        return {name: [finite(value) for value in column.tolist()] for name, column in columns.items()}

    def state(self) -> dict[str, Any]:
        """Return the sums, for a checkpoint."""
        return {"steps": self.steps, "sums": self.sums, "norm": self.norm}

    @classmethod
    def restored(cls, state: dict[str, Any], *, mine: bool) -> "Window":
        """Return the window of a checkpoint; its sums stand in one process, the others begin at zero."""
        window = cls()
        window.steps, window.norm = state["steps"], state["norm"]
        window.sums = {name: value if mine else torch.zeros_like(value) for name, value in state["sums"].items()}
        return window


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
