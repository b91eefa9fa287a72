"""The router of an MoE layer: which experts a token goes to, with what gate, and the losses that keep it balanced."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from planners.spec import Router

MAXIMA = 8
"""Most experts of a token that compiled code looks for one by one."""
NARROW = (torch.uint8, torch.int16, torch.int32)
"""Types that may hold an expert's id."""


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
    """Load-balancing loss in the form that the settings ask for."""
    logits: Tensor
    """(tokens, n_experts) router logits, float32."""
    shares: Tensor
    """(tokens, n_experts) gate probabilities before the choice; they sum to 1 per token."""
    dropped: Tensor
    """Slots beyond the capacity of their expert."""

    @property
    def z_loss(self) -> Tensor:
        """Mean squared log of the softmax denominator (arXiv 2202.08906, eq. 5)."""
        z: Tensor = self.logits.logsumexp(-1)
        return z.square().mean()

    @property
    def entropy(self) -> Tensor:
        """Mean entropy of the gate probabilities over ln n_experts, without gradient; computed only where asked for."""
        entropies: Tensor = torch.special.entr(self.shares.detach()).sum(-1)
        return entropies.mean() / math.log(max(2, self.shares.shape[1]))


class TopKRouter(nn.Module):
    """Linear gate in float32, whatever the autocast: bf16 logits would change the experts of 1-3 % of tokens."""

    bias: Tensor
    forced: bool = False
    """Send tokens to the experts in turn whatever the scores, for benchmarks under even load; no part of any spec."""

    def __init__(self, d_model: int, n_experts: int, top_k: int, settings: Router):
        super().__init__()
        self.top_k, self.settings = top_k, settings
        self.weight = nn.Parameter(torch.empty(n_experts, d_model))
        self.register_buffer("bias", torch.zeros(n_experts), persistent=True)

    def forward(self, x: Tensor) -> Routing:
        """Route x of shape (tokens, d_model)."""
        settings, n_experts = self.settings, self.weight.shape[0]
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(self.weight.dtype)
            if self.training and settings.jitter:
                x = x * torch.empty_like(x).uniform_(1 - settings.jitter, 1 + settings.jitter)
            logits = F.linear(x, self.weight)  # (tokens, n_experts)
            scores = logits.softmax(-1) if settings.score == "softmax" else logits.sigmoid()
            experts = in_turn(scores, self.top_k) if self.forced else self.best(scores)
            gates = scores.gather(-1, experts)
            if settings.renormalise:
                gates = gates / gates.sum(-1, keepdim=True)
            load = count(experts, n_experts)
            dropped = torch.zeros((), dtype=torch.int64, device=x.device)
            if self.training and settings.capacity_factor is not None:
                kept = within_capacity(experts, load, settings.capacity_factor)
                gates, dropped = gates * kept, (~kept).sum()
            shares = scores if settings.score == "softmax" else scores / scores.sum(-1, keepdim=True)
            return Routing(
                experts=experts,
                gates=gates,
                load=load,
                balance=BALANCE_FORMS[settings.balance_form](load, shares),
                logits=logits,
                shares=shares,
                dropped=dropped,
            )

    def best(self, scores: Tensor) -> Tensor:
        """Return the K experts of the highest biased scores, shape (tokens, K), the highest first."""
        biased = scores + self.bias
        if self.top_k == 1 or (torch.compiler.is_compiling() and self.top_k <= MAXIMA):
            return by_maxima(biased, self.top_k)
        return torch.topk(biased, self.top_k, dim=-1).indices

    @torch.no_grad()
    def update_bias(self, load: Tensor) -> None:
        """Step the loss-free balancing bias against the load of one step, kept at mean zero (arXiv 2408.15664)."""
        step = torch.sign(load.float().mean() - load.float())
        self.bias += self.settings.bias_rate * (step - step.mean())


def by_maxima(scores: Tensor, top_k: int) -> Tensor:
    """Return what topk does, one maximum after the other.

    For one it takes a third of topk's time. A compiler makes one pass over the scores of all of them, and of the
    softmax before, where topk reads its input once for every two bits of a number.
    """
    ids, found = torch.arange(scores.shape[1], device=scores.device), []
    for left in reversed(range(top_k)):
        found.append(torch.max(scores, dim=-1, keepdim=True).indices)
        if left:
            scores = scores.masked_fill(ids == found[-1], -math.inf)
    return torch.cat(found, dim=-1)


def count(experts: Tensor, n_experts: int) -> Tensor:
    """Return how often each expert occurs, shape (n_experts,); integer sums, so exact and without a host sync."""
    ids = experts.flatten()
    return torch.zeros(n_experts, dtype=torch.int64, device=ids.device).scatter_add_(0, ids, torch.ones_like(ids))


def in_turn(scores: Tensor, top_k: int) -> Tensor:
    """Return K different experts per token, shape (tokens, K), such that loads differ by one token at most."""
    tokens, n_experts = scores.shape
    return torch.arange(tokens * top_k, device=scores.device).view(tokens, top_k) % n_experts


def balance_loss(load: Tensor, shares: Tensor) -> Tensor:
    """Return n_experts * sum_i f_i p_i (arXiv 2101.03961, eq. 4): f_i share of routed slots, p_i mean gate probability.

    f sums to 1 for every K, so that uniform routing gives 1 and one coefficient means the same along a sweep of K;
    times K this is the form of arXiv 2506.12119, whose value at uniform routing is K.
    """
    f = load.to(shares.dtype) / load.sum()
    return len(load) * torch.dot(f, shares.mean(0))


def entropy_loss(load: Tensor, shares: Tensor) -> Tensor:
    """Return ln n_experts - H(p) in nats, with H(p) the entropy of the mean gate probabilities p: 0 at uniform routing.

    It is the Kullback-Leibler divergence of p from uniform, and asks for even probabilities and not for even loads.
    """
    entropy: Tensor = torch.special.entr(shares.mean(0)).sum()
    return math.log(len(load)) - entropy


BALANCE_FORMS = {"switch": balance_loss, "entropy": entropy_loss}
"""Load-balancing losses by the name of `Router.balance_form`."""


def within_capacity(experts: Tensor, load: Tensor, factor: float) -> Tensor:
    """Return which slots fit, shape (tokens, K): each expert keeps its first ceil(factor * slots / n_experts)."""
    capacity = math.ceil(factor * experts.numel() / len(load))
    return rank_in_expert(experts, load) < capacity


def by_expert(experts: Tensor, n_experts: int) -> Tensor:
    """Return the slots of `experts` (tokens, K) in the order of their expert, and within an expert of their token.

    Sorted as the narrowest numbers that can tell the experts apart: a radix sort takes a pass for every byte.
    """
    narrowest = next(dtype for dtype in NARROW if torch.iinfo(dtype).max >= n_experts - 1)
    return experts.flatten().to(narrowest).argsort(stable=True)


def rank_in_expert(experts: Tensor, load: Tensor) -> Tensor:
    """Return how many slots of the same expert come before each slot, shape (tokens, K)."""
    slots, order = experts.flatten(), by_expert(experts, len(load))
    first = (load.cumsum(0) - load).index_select(0, slots)  # place of each slot's expert among the sorted
    rank = torch.empty_like(slots).scatter_(0, order, torch.arange(len(slots), device=slots.device)) - first
    return rank.view_as(experts)
