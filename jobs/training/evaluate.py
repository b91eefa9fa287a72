"""Validation loss by domain, and routing health, over a fixed set of windows."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from jobs.corpora.mixture import Domain, Mixture
from jobs.corpora.tokens import batches
from jobs.record import DomainLoss, RoutingHealth, TaskAccuracy
from jobs.training.accuracy import Answered
from jobs.training.device import micro_batch
from jobs.training.device.distributed import Ranks
from jobs.training.device.precision import autocast
from jobs.training.network.routing import Routing
from jobs.training.network.transformer import Transformer
from jobs.training.objectives.objective import Objective

BATCH_WINDOWS = 32
BATCH_TOKENS = 2**16
"""Most windows, and most tokens, in one forward pass of an evaluation."""
FLOOR_TOLERANCE, FLOOR_WINDOWS = 5, 16
"""A loss is below its entropy floor if it is this many standard errors lower, over at least this many windows.

Chance hardly explains that: Student's t with 15 degrees of freedom is below -5 once in 13,000 samples. With only 3
windows it would be once in 50.
"""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The results of one evaluation."""

    loss: float
    """Nats per token: the mean over the tokens of each domain, weighted by the domains' shares."""
    domains: dict[str, DomainLoss]
    """Loss by domain."""
    routing: RoutingHealth | None
    """Health of the routers; null for a dense model."""
    below_floor: bool
    """Whether the loss of a domain is below its entropy floor by more than chance. Then something is wrong."""
    tasks: dict[str, TaskAccuracy]
    """Accuracy by task; empty for corpora without answers."""


class Evaluator:
    """Measures a model on the validation windows of its run, in batches as large as memory allows."""

    def __init__(self, model: Transformer, corpus: Mixture, objective: Objective, ranks: Ranks, *, shard: bool):
        self.model, self.corpus, self.objective, self.ranks, self.shard = model, corpus, objective, ranks, shard
        training = objective.spec.training
        self.batch = max(1, min(BATCH_WINDOWS, BATCH_TOKENS // training.seq_len, training.eval_windows))
        """Most windows of one forward pass."""

    def limit(self, windows: int | None) -> None:
        """Limit the windows of one forward pass; None changes nothing."""
        self.batch = min(self.batch, windows or self.batch)

    def measure(self, dropped: float) -> Evaluation:
        """Return the result of `evaluate`; if memory runs out, start again with half as many windows at once.

        Raises OutOfMemory if the weights are sharded: then the other processes would have to halve as well.
        """
        while (measured := self._try(dropped)) is None:
            self.batch = micro_batch.halved(self.batch, self.ranks.device)
        return measured

    def _try(self, dropped: float) -> Evaluation | None:
        device = self.ranks.device
        try:
            with autocast(self.objective.spec.training.precision, device):
                return evaluate(self.model, self.corpus, self.objective, device, dropped=dropped, batch=self.batch)
        except Exception as error:
            if not micro_batch.is_out_of_memory(error) or self.batch == 1:
                raise
            if self.shard:
                raise micro_batch.cannot_halve(self.batch) from error
        return None  # outside the except block: there the error would keep the activations alive


@torch.no_grad()
def evaluate(
    model: Transformer,
    corpus: Mixture,
    objective: Objective,
    device: torch.device,
    *,
    dropped: float,
    batch: int = BATCH_WINDOWS,
) -> Evaluation:
    """Return loss and routing of `model` on the first `eval_windows` validation windows of a fixed random order.

    Each domain has its share of the windows; at most `batch` of them go through the model at once. An evaluation drops
    no token; `dropped` is the share of slots that training dropped.
    """
    was_training, health, domains, below = model.training, _RoutingSum(), {}, False
    tasks: dict[str, TaskAccuracy] = {}
    counts = corpus.validation_counts(objective.spec.training.eval_windows)
    model.eval()
    try:
        for number, (domain, count) in enumerate(zip(corpus.domains, counts, strict=True)):
            measured, answered = _domain_loss(model, number, domain, objective, count, batch, device, health)
            domains[domain.label], below = measured, below or is_below_floor(measured, count)
            if answered:
                tasks[domain.label] = answered.result()
    finally:
        model.train(was_training)
    loss = sum(float(domain.share) * domains[domain.label].loss for domain in corpus.domains)
    return Evaluation(loss=loss, domains=domains, routing=health.result(dropped), below_floor=below, tasks=tasks)


def is_below_floor(measured: DomainLoss, windows: int) -> bool:
    """Return whether a loss over so many windows is below its floor by more than chance; False without a floor."""
    if measured.floor is None or measured.se is None or windows < FLOOR_WINDOWS:
        return False
    return measured.loss < measured.floor - FLOOR_TOLERANCE * measured.se


def _domain_loss(
    model: Transformer,
    number: int,
    domain: Domain,
    objective: Objective,
    windows: int,
    size: int,
    device: torch.device,
    health: "_RoutingSum",
) -> tuple[DomainLoss, Answered | None]:
    """Return loss and right answers on `windows` windows of domain `number`, at most `size` at once.

    Adds their routing to `health`.
    """
    seq_len, store = objective.spec.training.seq_len, domain.store
    answered = Answered(store.answers, seq_len) if store.answers else None
    total, tokens, means = torch.zeros((), dtype=torch.float64, device=device), 0, []
    for numbers in batches(store.validation_windows(seq_len, windows), size):
        batch = torch.from_numpy(store.read("validation", numbers, seq_len)).to(device)
        numbered = torch.full((len(batch),), number, device=device)
        inputs, targets = objective.examples(batch, numbers, numbered)
        x, routings = model.hidden(inputs, numbered)
        losses = objective.measure(x, model.head.weight, targets)
        total += losses.total
        tokens += losses.tokens
        means.append(losses.means)
        if answered:
            answered.add(x, model.head.weight, batch)
        health.add(routings, len(numbers))
    loss = float(total) / tokens
    measured = DomainLoss(
        loss=loss,
        bpb=loss / math.log(2) / store.bytes_per_token if objective.is_likelihood else None,
        tokens=tokens,
        se=float(torch.cat(means).std()) / math.sqrt(windows) if windows > 1 else None,
        floor=objective.floor(store),
    )
    return measured, answered


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
        """Return the health of the worst MoE layer, number by number; None for a dense model."""
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
