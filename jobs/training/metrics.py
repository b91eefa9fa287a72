"""What a run says of itself while it trains: metrics.jsonl, and the sums behind a line of it."""

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jobs.training.routing import Routing

METRIC_LINES = 100
"""Most lines of metrics.jsonl per run."""


class Window:
    """Sums between two metrics lines, kept on the device so that no step waits for it."""

    def __init__(self, device: torch.device):
        self.steps = 0
        self.losses = torch.zeros((), dtype=torch.float64, device=device)
        self.norm = torch.zeros((), device=device)
        self.balances: list[Tensor] = []
        self.loads: list[Tensor] = []
        self.dropped = torch.zeros((), dtype=torch.int64, device=device)

    def add(self, loss: Tensor, norm: Tensor, routings: list[Routing]) -> None:
        """Add one step: its cross entropy (without gradient), gradient norm and routing."""
        self.steps += 1
        self.losses += loss
        self.norm, self.balances = norm, [routing.balance.detach() for routing in routings]
        loads = [routing.load for routing in routings]
        self.loads = [a + b for a, b in zip(self.loads, loads, strict=True)] if self.loads else loads
        for routing in routings:
            self.dropped += routing.dropped

    def state(self) -> dict[str, Any]:
        """Return the sums, for a checkpoint."""
        return {"steps": self.steps, "losses": self.losses, "loads": self.loads, "dropped": self.dropped}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue the sums of a checkpoint."""
        self.steps, self.losses, self.loads = state["steps"], state["losses"], list(state["loads"])
        self.dropped = state["dropped"]

    def loss(self) -> float:
        """Mean cross entropy, nats per token."""
        return float(self.losses) / self.steps

    def grad_norm(self) -> float | None:
        """Gradient norm of the last step, before clipping."""
        norm = float(self.norm)
        return norm if math.isfinite(norm) else None

    def balance(self) -> float | None:
        """Balance loss of the last step, mean over layers."""
        values = [float(balance) for balance in self.balances]
        return sum(values) / len(values) if values and all(map(math.isfinite, values)) else None

    def max_load(self) -> float | None:
        """Load of the busiest expert over the mean, of the worst layer."""
        return max((float(load.max() / load.float().mean()) for load in self.loads), default=None)


class Metrics:
    """metrics.jsonl, one line at a time; reopened at the length that a checkpoint knows."""

    def __init__(self, path: Path):
        self.path = path

    def open(self, size: int) -> None:
        """Open for appending and cut off what was written after the checkpoint."""
        self.path.touch()
        self.file = self.path.open("r+b")
        self.file.truncate(min(size, self.path.stat().st_size))
        self.file.seek(0, 2)

    def write(self, line: dict[str, Any]) -> None:
        """Append one line; it can be read at once."""
        self.file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
        self.file.flush()

    def size(self) -> int:
        """Bytes written."""
        return self.file.tell()

    def close(self) -> None:
        """Close the file."""
        self.file.close()
