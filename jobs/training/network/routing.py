"""The router of an MoE layer: the experts of each token, their gates, and the losses that keep the load balanced."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from planners.spec import Router

MAXIMA = 8
"""Compiled code finds up to this many experts per token one maximum at a time, and more with topk."""
NARROW = (torch.uint8, torch.int16, torch.int32)
"""Types for an expert's id, the smallest first."""


@dataclass(frozen=True, kw_only=True)
class Routing:
    """Where the tokens of one layer went."""

    experts: Tensor
    """(tokens, K) expert ids."""
    gates: Tensor
    """(tokens, K) weight of each chosen expert's output, float32; 0 where the slot was dropped."""
    load: Tensor
    """(n_experts,) tokens routed to each expert, int64."""
    balance: Tensor
    """Load-balancing loss in the form that the settings name."""
    logits: Tensor
    """(tokens, n_experts) router logits, float32."""
    probabilities: Tensor
    """(tokens, n_experts) gate probabilities before the top-k choice; they sum to 1 per token."""
    dropped: Tensor
    """Number of slots beyond the capacity of their expert."""
    used: Tensor | None = None
    """(tokens, K) whether a slot is computed, under top-p routing; None: all are."""

    @property
    def z_loss(self) -> Tensor:
        """Mean squared log of the softmax denominator (arXiv 2202.08906, eq. 5)."""
        z: Tensor = self.logits.logsumexp(-1)
        return z.square().mean()

    @property
    def gate_entropy(self) -> Tensor:
        """Mean entropy of the gate probabilities in nats, with gradient."""
        entropies: Tensor = torch.special.entr(self.probabilities).sum(-1)
        return entropies.mean()

    @property
    def entropy(self) -> Tensor:
        """Mean entropy of the gate probabilities over ln n_experts, without gradient; computed on access."""
        entropies: Tensor = torch.special.entr(self.probabilities.detach()).sum(-1)
        return entropies.mean() / math.log(max(2, self.probabilities.shape[1]))


class TopKRouter(nn.Module):
    """Linear gate, in float32 even under autocast: bf16 logits would change the experts of 1 to 3 % of tokens."""

    bias: Tensor
    forced: bool = False
    """Send tokens to the experts in turn, ignoring the scores: for benchmarks under even load, never in a run."""

    def __init__(self, d_model: int, n_experts: int, top_k: int, settings: Router):
        super().__init__()
        self.top_k, self.settings = top_k, settings
        self.weight = nn.Parameter(torch.empty(n_experts, d_model))
        self.register_buffer("bias", torch.zeros(n_experts), persistent=True)

    def forward(self, x: Tensor, roles: Tensor | None = None) -> Routing:
        """Route x of shape (tokens, d_model); `roles` (tokens, n_experts) is added to the logits."""
        settings, n_experts = self.settings, self.weight.shape[0]
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(self.weight.dtype)
            if self.training and settings.jitter:
                x = x * torch.empty_like(x).uniform_(1 - settings.jitter, 1 + settings.jitter)
            logits = F.linear(x, self.weight)  # (tokens, n_experts)
            if roles is not None:
                logits = logits + roles
            scores = logits.softmax(-1) if settings.score == "softmax" else logits.sigmoid()
            experts = in_turn(scores, self.top_k) if self.forced else self.best(scores)
            gates = scores.gather(-1, experts)
            if settings.renormalise:
                gates = gates / gates.sum(-1, keepdim=True)
            probabilities = scores if settings.score == "softmax" else scores / scores.sum(-1, keepdim=True)
            used = None
            if settings.top_p is not None:
                used = within_share(probabilities.gather(-1, experts), settings.top_p)
                gates = gates * used
            load = count(experts, n_experts, used)
            dropped = torch.zeros((), dtype=torch.int64, device=x.device)
            if self.training and settings.capacity_factor is not None:
                kept = within_capacity(experts, load, settings.capacity_factor)
                gates, dropped = gates * kept, (~kept).sum()
            return Routing(
                experts=experts,
                gates=gates,
                load=load,
                balance=BALANCE_FORMS[settings.balance_form](load, probabilities),
                logits=logits,
                probabilities=probabilities,
                dropped=dropped,
                used=used,
            )

    def best(self, scores: Tensor) -> Tensor:
        """Return the K experts with the highest biased scores, shape (tokens, K), the highest first."""
        biased = scores + self.bias
        if self.top_k == 1 or (torch.compiler.is_compiling() and self.top_k <= MAXIMA):
            return by_maxima(biased, self.top_k)
        return torch.topk(biased, self.top_k, dim=-1).indices

    @torch.no_grad()
    def update_bias(self, load: Tensor) -> None:
        """Step the loss-free balancing bias against the load of one step; its mean stays zero (arXiv 2408.15664)."""
        step = torch.sign(load.float().mean() - load.float())
        self.bias += self.settings.bias_rate * (step - step.mean())


def by_maxima(scores: Tensor, top_k: int) -> Tensor:
    """Return the indices of topk, found one maximum after the other, shape (tokens, K).

    For K = 1 this takes a third of topk's time. A compiler fuses all maxima, and the softmax before them, into one pass
    over the scores; topk reads its input once for every two bits of a number.
    """
    ids, found = torch.arange(scores.shape[1], device=scores.device), []
    for left in reversed(range(top_k)):
        found.append(torch.max(scores, dim=-1, keepdim=True).indices)
        if left:
            scores = scores.masked_fill(ids == found[-1], -math.inf)
    return torch.cat(found, dim=-1)


def count(experts: Tensor, n_experts: int, used: Tensor | None = None) -> Tensor:
    """Return how often each expert occurs in slots that are used, shape (n_experts,).

    Integer sums are exact and need no host sync.
    """
    ids = experts.flatten()
    ones = torch.ones_like(ids) if used is None else used.flatten().to(ids.dtype)
    return torch.zeros(n_experts, dtype=torch.int64, device=ids.device).scatter_add_(0, ids, ones)


def within_share(gates: Tensor, top_p: float) -> Tensor:
    """Return which slots are used, shape of gates (tokens, K), the highest gate first.

    A slot is used until the gates before it sum to `top_p`, so the first one always is (arXiv 2403.07652).
    """
    before = gates.cumsum(-1) - gates
    return before < top_p


def in_turn(scores: Tensor, top_k: int) -> Tensor:
    """Return K different experts per token, shape (tokens, K), with loads that differ by at most one token."""
    tokens, n_experts = scores.shape
    return torch.arange(tokens * top_k, device=scores.device).view(tokens, top_k) % n_experts


def balance_loss(load: Tensor, probabilities: Tensor) -> Tensor:
    """Return n_experts * sum_i f_i p_i (arXiv 2101.03961, eq. 4): f_i share of routed slots, p_i mean gate probability.

    f sums to 1 for every K. Uniform routing therefore gives 1, and one coefficient means the same for every K. Times K
    this is the form of arXiv 2506.12119, whose value at uniform routing is K.
    """
    f = load.to(probabilities.dtype) / load.sum()
    return len(load) * torch.dot(f, probabilities.mean(0))


def entropy_loss(load: Tensor, probabilities: Tensor) -> Tensor:
    """Return ln n_experts - H(p) in nats, with H(p) the entropy of the mean gate probabilities p: 0 at uniform routing.

    It is the Kullback-Leibler divergence of p from uniform: it favours even probabilities, not even loads.
    """
    entropy: Tensor = torch.special.entr(probabilities.mean(0)).sum()
    return math.log(len(load)) - entropy


BALANCE_FORMS = {"switch": balance_loss, "entropy": entropy_loss}
"""Load-balancing losses by the name of `Router.balance_form`."""


def within_capacity(experts: Tensor, load: Tensor, factor: float) -> Tensor:
    """Return which slots fit, shape (tokens, K): each expert keeps its first ceil(factor * slots / n_experts)."""
    capacity = math.ceil(factor * experts.numel() / len(load))
    return rank_in_expert(experts, load) < capacity


def by_expert(experts: Tensor, n_experts: int) -> Tensor:
    """Return the slots of `experts` (tokens, K) in the order of their expert, and within an expert of their token.

    Ids are sorted in the narrowest type that holds them, because a radix sort takes one pass per byte.
    """
    narrowest = next(dtype for dtype in NARROW if torch.iinfo(dtype).max >= n_experts - 1)
    return experts.flatten().to(narrowest).argsort(stable=True)


def rank_in_expert(experts: Tensor, load: Tensor) -> Tensor:
    """Return how many slots of the same expert come before each slot, shape (tokens, K)."""
    slots, order = experts.flatten(), by_expert(experts, len(load))
    first = (load.cumsum(0) - load).index_select(0, slots)  # position of the first slot of each slot's expert
    rank = torch.empty_like(slots).scatter_(0, order, torch.arange(len(slots), device=slots.device)) - first
    return rank.view_as(experts)
