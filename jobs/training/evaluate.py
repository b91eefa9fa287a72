"""Validation loss and routing health over a fixed set of windows."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from jobs.corpora.tokens import read_windows, validation_windows
from jobs.record import RoutingHealth
from jobs.training.model import Transformer


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What an evaluation measured."""

    loss: float
    """Nats per token, the mean over all tokens of all windows."""
    routing: RoutingHealth | None
    """Health of the router; null for a dense model."""


@torch.no_grad()
def evaluate(
    model: Transformer, tokens: np.ndarray, seq_len: int, windows: int, device: torch.device, *, dropped: float
) -> Evaluation:
    """Return loss and routing of `model` on the first `windows` validation windows of a fixed random order.

    Evaluation drops no token; `dropped` is the share that training did.
    """
    was_training = model.training
    model.eval()
    total = torch.zeros((), dtype=torch.float64, device=device)
    loads: list[Tensor] = []
    entropies: list[Tensor] = []
    for chosen in validation_windows(len(tokens), seq_len, windows):
        batch = torch.from_numpy(read_windows(tokens, chosen, seq_len)).to(device)
        logits, routings = model(batch[:, :-1])
        losses = F.cross_entropy(logits.flatten(0, 1).float(), batch[:, 1:].flatten(), reduction="none")
        total += losses.double().sum()
        if routings:
            loads.append(torch.stack([routing.load for routing in routings]))
            entropies.append(torch.stack([routing.entropy for routing in routings]) * len(chosen))
    model.train(was_training)
    health = None
    if loads:
        health = _health(torch.stack(loads).sum(0), torch.stack(entropies).sum(0) / windows, dropped)
    return Evaluation(loss=float(total) / (windows * seq_len), routing=health)


def _health(loads: Tensor, entropies: Tensor, dropped: float) -> RoutingHealth:
    """Return the worst of the MoE layers from loads (layers, n_experts) and entropies (layers,) of a whole evaluation.

    A single batch would overstate the imbalance.
    """
    relative = loads / loads.double().mean(1, keepdim=True)
    return RoutingHealth(
        max_load=float(relative.max()),
        load_cv=float(relative.std(1, correction=0).max()),
        dead_experts=int((relative < 0.01).sum()),
        entropy=float(entropies.min()),
        dropped=dropped,
    )
