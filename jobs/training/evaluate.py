"""Validation loss by domain and routing health over a fixed set of windows."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from jobs.corpora.mixture import Domain, Mixture
from jobs.corpora.tokens import batches
from jobs.record import DomainLoss, RoutingHealth
from jobs.training.device import micro_batch
from jobs.training.device.distributed import Ranks
from jobs.training.device.precision import autocast
from jobs.training.network.cross_entropy import token_losses
from jobs.training.network.routing import Routing
from jobs.training.network.transformer import Transformer
from planners.spec import Training

BATCH_WINDOWS = 32
BATCH_TOKENS = 2**16
"""Most windows, and most tokens, of one forward pass of an evaluation."""
FLOOR_TOLERANCE, FLOOR_WINDOWS = 5, 16
"""A loss this many of its standard errors below an entropy floor, over as many windows at least, is hardly chance.

Student's t with 15 degrees of freedom is below -5 once in 13,000 samples; with 3 windows, once in 50.
"""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What an evaluation measured."""

    loss: float
    """Nats per token: the mean over all tokens of a domain, weighted by the domains' shares."""
    domains: dict[str, DomainLoss]
    """The same by domain."""
    routing: RoutingHealth | None
    """Health of the router; null for a dense model."""
    below_floor: bool
    """Whether a domain's loss is below its entropy floor by more than chance: then something is wrong."""


class Evaluator:
    """Measures a model on the validation windows of its run, so many at once as memory holds."""

    def __init__(self, model: Transformer, corpus: Mixture, training: Training, ranks: Ranks, *, shard: bool):
        self.model, self.corpus, self.training, self.ranks, self.shard = model, corpus, training, ranks, shard
        self.batch = max(1, min(BATCH_WINDOWS, BATCH_TOKENS // training.seq_len, training.eval_windows))
        """Most windows of one forward pass."""

    def limit(self, windows: int | None) -> None:
        """Take no more than so many windows at once; None leaves it as it is."""
        self.batch = min(self.batch, windows or self.batch)

    def measure(self, dropped: float) -> Evaluation:
        """Return what `evaluate` does. Where memory runs out it is begun anew with half as many windows at once.

        Raises OutOfMemory where a process that shares the weights with others would have to.
        """
        while (measured := self._try(dropped)) is None:
            self.batch = micro_batch.halved(self.batch, self.ranks.device)
        return measured

    def _try(self, dropped: float) -> Evaluation | None:
        training, device = self.training, self.ranks.device
        try:
            with autocast(training.precision, device):
                return evaluate(
                    self.model, self.corpus, training.seq_len, training.eval_windows, device,
                    dropped=dropped, batch=self.batch,
                )  # fmt: skip
        except Exception as error:
            if not micro_batch.is_out_of_memory(error) or self.batch == 1:
                raise
            if self.shard:
                raise micro_batch.cannot_halve(self.batch) from error
        return None  # outside of the except block, whose error keeps the activations alive


@torch.no_grad()
def evaluate(
    model: Transformer, corpus: Mixture, seq_len: int, windows: int, device: torch.device, *, dropped: float,
    batch: int = BATCH_WINDOWS,
) -> Evaluation:  # fmt: skip
    """Return loss and routing of `model` on the first `windows` validation windows of a fixed random order.

    Each domain has its share of the windows; at most `batch` of them go through the model at once. Evaluation drops no
    token; `dropped` is the share that training did.
    """
    was_training, health, domains, below = model.training, _RoutingSum(), {}, False
    model.eval()
    try:
        for domain, count in zip(corpus.domains, corpus.validation_counts(windows), strict=True):
            measured = _domain_loss(model, domain, seq_len, count, batch, device, health)
            domains[domain.label], below = measured, below or is_below_floor(measured, count)
    finally:
        model.train(was_training)
    loss = sum(float(domain.share) * domains[domain.label].loss for domain in corpus.domains)
    return Evaluation(loss=loss, domains=domains, routing=health.result(dropped), below_floor=below)


def is_below_floor(measured: DomainLoss, windows: int) -> bool:
    """Return whether a loss over so many windows is below its floor by more than chance; False where none is known."""
    if measured.floor is None or measured.se is None or windows < FLOOR_WINDOWS:
        return False
    return measured.loss < measured.floor - FLOOR_TOLERANCE * measured.se


def _domain_loss(
    model: Transformer, domain: Domain, seq_len: int, windows: int, size: int, device: torch.device,
    health: "_RoutingSum",
) -> DomainLoss:  # fmt: skip
    """Return the loss on `windows` windows of one domain, at most `size` at once; add their routing to `health`."""
    total, means = torch.zeros((), dtype=torch.float64, device=device), []
    for chosen in batches(domain.store.validation_windows(seq_len, windows), size):
        batch = torch.from_numpy(domain.store.read("validation", chosen, seq_len)).to(device)
        x, routings = model.hidden(batch[:, :-1])
        losses = token_losses(x, model.head.weight, batch[:, 1:]).double()
        total += losses.sum()
        means.append(losses.mean(1))
        health.add(routings, len(chosen))
    loss = float(total) / (windows * seq_len)
    return DomainLoss(
        loss=loss,
        bpb=loss / math.log(2) / domain.store.bytes_per_token,
        tokens=windows * seq_len,
        se=float(torch.cat(means).std()) / math.sqrt(windows) if windows > 1 else None,
        floor=domain.store.floor(seq_len),
    )


class _RoutingSum:
    """Loads and entropies summed over a whole evaluation: a single batch would overstate the imbalance."""

    def __init__(self) -> None:
        self.windows = 0
        self.loads: list[Tensor] = []
        self.entropies: list[Tensor] = []

    def add(self, routings: list[Routing], windows: int) -> None:
        """Add a batch of `windows` windows."""
        self.windows += windows
        if routings:
            self.loads.append(torch.stack([routing.load for routing in routings]))
            self.entropies.append(torch.stack([routing.entropy for routing in routings]) * windows)

    def result(self, dropped: float) -> RoutingHealth | None:
        """Return the worst of the MoE layers; None for a dense model."""
        if not self.loads:
            return None
        loads = torch.stack(self.loads).sum(0)  # (layers, n_experts)
        entropies = torch.stack(self.entropies).sum(0) / self.windows  # (layers,)
        relative = loads / loads.double().mean(1, keepdim=True)
        return RoutingHealth(
            max_load=float(relative.max()),
            load_cv=float(relative.std(1, correction=0).max()),
            dead_experts=int((relative < 0.01).sum()),
            entropy=float(entropies.min()),
            dropped=dropped,
        )
