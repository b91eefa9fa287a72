"""Validation loss and routing health over a fixed set of windows."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from jobs.corpora.tokens import read_windows, validation_windows
from jobs.record import RoutingHealth
from jobs.training.model import Transformer
from jobs.training.routing import Routing


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What an evaluation measured."""

    loss: float
    """Nats per token, the mean over all tokens of all windows."""
    routing: RoutingHealth | None
    """Health of the router; null for a dense model."""


@torch.no_grad()
def evaluate(model: Transformer, tokens: np.ndarray, seq_len: int, windows: int, device: torch.device) -> Evaluation:
    """Return loss and routing of `model` on the first `windows` validation windows of a fixed random order."""
    was_training = model.training
    model.eval()
    total = torch.zeros((), dtype=torch.float64, device=device)
    batches: list[tuple[int, list[Routing]]] = []
    for chosen in validation_windows(len(tokens), seq_len, windows):
        batch = torch.from_numpy(read_windows(tokens, chosen, seq_len)).to(device)
        logits, routings = model(batch[:, :-1])
        losses = F.cross_entropy(logits.flatten(0, 1).float(), batch[:, 1:].flatten(), reduction="none")
        total += losses.double().sum()
        batches.append((len(chosen), routings))
    model.train(was_training)
    return Evaluation(loss=float(total) / (windows * seq_len), routing=_health(batches))


def _health(batches: list[tuple[int, list[Routing]]]) -> RoutingHealth | None:
    """Accumulate the load over the whole evaluation first: a single batch overstates the imbalance."""
    if not batches[0][1]:
        return None
    layers = range(len(batches[0][1]))
    loads = torch.stack([sum_loads(batches, layer) for layer in layers]).double()  # (layers, n_experts)
    relative = loads / loads.mean(1, keepdim=True)
    entropies = [sum(n * float(routings[layer].entropy) for n, routings in batches) for layer in layers]
    return RoutingHealth(
        max_load=float(relative.max()),
        load_cv=float(relative.std(1, correction=0).max()),
        dead_experts=int((relative < 0.01).sum()),
        dropped=0.0,
        entropy=min(entropies) / sum(n for n, _ in batches),
    )


def sum_loads(batches: list[tuple[int, list[Routing]]], layer: int) -> Tensor:
    """Return the tokens that each expert of `layer` saw over all batches, shape (n_experts,)."""
    return torch.stack([routings[layer].load for _, routings in batches]).sum(0)
