"""The expert layer: sort tokens by expert, multiply each group by its expert's weights, put the results back.

Three implementations give the same result. `grouped_matmul` is one kernel for all experts and usually the fastest.
`looped_matmul` is the readable reference; it also serves float64 and widths that the grouped kernel does not take.
`padded_matmul` gives every expert as many rows as the busiest one has: with few tokens per expert on a CPU, one batched
call is faster than many small ones.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jobs.training.network.routing import Routing, TopKRouter, by_expert, rank_in_expert
from planners.architecture.shape import Shape
from planners.spec import Router


class Slots(NamedTuple):
    """The order of computation of the routed slots: by expert, and within an expert by token.

    A token that is routed to K experts has K slots.
    """

    token: Tensor
    """(slots,) token of each slot, in order of computation; tokens * K of them, plus padding if there is any."""
    place: Tensor
    """(tokens, K) position of each token's slots in that order."""
    load: Tensor
    """(n_experts,) slots of each expert."""
    ends: Tensor
    """(n_experts,) position after the last slot of each expert, int32."""

    @classmethod
    def sorted(cls, experts: Tensor, load: Tensor) -> "Slots":
        """Return the order for the chosen `experts` (tokens, K), without waiting for the device."""
        order = by_expert(experts, len(load))
        place = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        return cls(order // experts.shape[1], place.view_as(experts), load, ends_of(load))

    @classmethod
    def padded(cls, experts: Tensor, load: Tensor) -> "Slots":
        """Return the order in which every expert has equally many slots; padding slots hold token 0."""
        rows = padded_rows(load)
        place = experts * rows + rank_in_expert(experts, load)
        tokens = torch.arange(experts.numel(), device=place.device) // experts.shape[1]
        token = tokens.new_zeros(len(load) * rows).scatter_(0, place.flatten(), tokens)
        even = torch.full_like(load, rows)
        return cls(token, place, even, ends_of(even))


def ends_of(load: Tensor) -> Tensor:
    """Return the position after the last slot of each expert, int32 as the grouped kernel needs it."""
    return load.cumsum(0).to(torch.int32)


def padded_rows(load: Tensor) -> int:
    """Return the rows per expert after padding: the largest load, rounded up to a multiple of 8."""
    return -(-int(load.max()) // 8) * 8


class Dispatch(torch.autograd.Function):
    """Copy each token's row to the positions of its slots.

    The gradient is a gather as well: without atomic adds it is deterministic on a GPU.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, token: Tensor, place: Tensor) -> Tensor:
        """Return the row of each slot, shape (slots, width), for x (tokens, width)."""
        ctx.save_for_backward(place)
        return x.index_select(0, token)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient of x."""
        return gather_sum(gradients[0], ctx.saved_tensors[0]), None, None


class Combine(torch.autograd.Function):
    """Sum each token's slots, weighted by their gates."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, gates: Tensor, token: Tensor, place: Tensor) -> Tensor:
        """Return (tokens, width) for rows (slots, width) and gates (tokens, K) of the same type."""
        ctx.save_for_backward(rows, gates, token, place)
        return gather_sum(rows, place, gates)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Return the gradients of rows and gates."""
        rows, gates, token, place = ctx.saved_tensors
        of_slots = gradients[0].index_select(0, token)
        of_gates = (of_slots * rows).sum(-1).index_select(0, place.flatten()).view_as(gates)
        in_order = gates.new_zeros(len(rows)).scatter_(0, place.flatten(), gates.flatten())  # padding keeps gate 0
        return of_slots.mul_(in_order.unsqueeze(-1)), of_gates, None, None


def gather_sum(rows: Tensor, place: Tensor, gates: Tensor | None = None) -> Tensor:
    """Return sum_k gates[t, k] * rows[place[t, k]] for every token t, shape (tokens, width); gates default to 1."""
    if rows.device.type == "cpu":  # one pass over the rows instead of three (gather, product, sum)
        return F.embedding_bag(place, rows, mode="sum", per_sample_weights=gates)
    gathered = rows.index_select(0, place.flatten()).view(*place.shape, -1)
    weighted = gathered if gates is None else gathered * gates.unsqueeze(-1)
    return weighted.sum(1, dtype=rows.dtype)  # explicit, because CUDA's autocast would return fp32


class AddBias(torch.autograd.Function):
    """Add each expert's bias to its rows. The gradient is a sum per expert, without atomic adds."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor, load: Tensor) -> Tensor:
        """Return x (slots, width), sorted by expert, plus the rows of bias (n_experts, width)."""
        ctx.save_for_backward(load)
        expert = torch.arange(len(load), device=x.device).repeat_interleave(load, output_size=len(x))
        return x + bias.index_select(0, expert).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients of x and bias."""
        wide = gradients[0] if gradients[0].dtype == torch.float64 else gradients[0].float()
        return gradients[0], torch.segment_reduce(wide, "sum", lengths=ctx.saved_tensors[0], unsafe=True), None


def add_bias(x: Tensor, bias: Tensor | None, load: Tensor) -> Tensor:
    """Return x (slots, width) plus the bias of each row's expert; x itself without a bias."""
    if bias is None:
        return x
    y: Tensor = AddBias.apply(x, bias, load)  # type: ignore[no-untyped-call]
    return y


def grouped_matmul(x: Tensor, weights: Tensor, slots: Slots) -> Tensor:
    """Return x[rows of expert e] @ weights[e].T for every expert e, in one call.

    x: (slots, inputs), sorted by expert; weights: (n_experts, outputs, inputs), as in a Linear. The loads must sum to
    the rows of x, or the rows beyond are undefined. Strides must be multiples of 16 bytes; float64 is not supported.
    One kernel for bf16 on GPUs of compute capability 9.0 and 10.0; on others torch loops over the experts and waits for
    the loads (torch 2.11, 2.13).
    """
    return F.grouped_mm(x, weights.transpose(1, 2), offs=slots.ends)


def looped_matmul(x: Tensor, weights: Tensor, slots: Slots) -> Tensor:
    """Return the same as `grouped_matmul`, one expert after the other.

    `split` and `unbind` run once; indexing instead would allocate a full-size zero gradient for every expert.
    """
    pairs = zip(torch.split(x, slots.load.tolist()), weights.unbind(0), strict=True)
    return torch.cat([rows @ weight.t() for rows, weight in pairs])


def padded_matmul(x: Tensor, weights: Tensor, slots: Slots) -> Tensor:
    """Return the same for padded x, in which all experts have the same number of rows."""
    return torch.bmm(x.view(len(weights), -1, x.shape[1]), weights.transpose(1, 2)).flatten(0, 1)


MATMULS: dict[str, Callable[[Tensor, Tensor, Slots], Tensor]] = {
    "grouped": grouped_matmul,
    "looped": looped_matmul,
    "padded": padded_matmul,
}
"""Implementations of the product of tokens and expert weights, by name."""

PADDING_WORTH = {torch.float32: 10_000, torch.float64: 10_000, torch.bfloat16: 60_000}
"""Padding rows * d_model * d_expert that cost as much as one more call per expert (measured). A call in bf16 costs
several times one in fp32, because oneDNN prepares each new size."""


def fastest_matmul(slots: int, up_proj: Tensor, down_proj: Tensor, load: Tensor) -> str:
    """Return the name in `MATMULS` that is fastest for so many slots, among those that accept the widths."""
    if up_proj.device.type == "cpu" and not torch.compiler.is_compiling():
        padding = padded_rows(load) - slots / len(load)
        if padding * down_proj.shape[1] * down_proj.shape[2] < PADDING_WORTH.get(up_proj.dtype, 0):
            return "padded"
    return unpadded_matmul(up_proj, down_proj)


def unpadded_matmul(up_proj: Tensor, down_proj: Tensor) -> str:
    """Return the fastest implementation for slots without padding that accepts the widths."""
    widths = (*up_proj.shape[1:], *down_proj.shape[1:])
    aligned = all(width * up_proj.element_size() % 16 == 0 for width in widths)
    return "grouped" if aligned and up_proj.dtype in (torch.float32, torch.bfloat16) else "looped"


class Experts(nn.Module):
    """Router, `n_experts` feed-forward networks, and one shared expert that every token passes through.

    `up_proj` stacks the gate and up projections of each expert if the network is gated (SwiGLU).
    """

    matmul: str | None = None
    """Name in `MATMULS`; None: let `fastest_matmul` choose."""
    masked: bool = False
    """Treat the weights of experts without tokens as 0, for GPUs whose grouped kernel gives them a gradient."""

    def __init__(self, shape: Shape, settings: Router):
        super().__init__()
        n_experts, d_model, d_expert = shape.n_experts, shape.d_model, shape.d_expert
        self.gated = shape.ffn == "swiglu"
        inner = d_expert * (2 if self.gated else 1)
        self.router = TopKRouter(d_model, n_experts, shape.top_k, settings)
        self.up_proj = nn.Parameter(torch.empty(n_experts, inner, d_model))
        self.down_proj = nn.Parameter(torch.empty(n_experts, d_model, d_expert))
        self.up_proj_bias = nn.Parameter(torch.empty(n_experts, inner)) if shape.expert_bias else None
        self.down_proj_bias = nn.Parameter(torch.empty(n_experts, d_model)) if shape.expert_bias else None
        self.shared = FeedForward(shape, shape.d_shared, shape.expert_bias) if shape.d_shared else None
        self.shared_gate = nn.Linear(d_model, 1, bias=False) if shape.shared_gate else None

    def forward(self, x: Tensor, roles: Tensor | None = None) -> tuple[Tensor, Routing]:
        """Return the layer's output, shape of x (tokens, d_model), and where the tokens went."""
        routing = self.router(x, roles)
        y = self.routed(x, routing) if routing.used is None else self.routed_in_part(x, routing, routing.used)
        if self.shared is not None:
            shared = self.shared(x)
            y = y + (shared if self.shared_gate is None else self.shared_gate(x).sigmoid() * shared)
        return y, routing

    def routed(self, tokens: Tensor, routing: Routing) -> Tensor:
        """Return the gated sum of the routed experts, shape (tokens, d_model)."""
        tokens, up_proj, down_proj = _as_autocast(tokens, self.up_proj, self.down_proj)
        if self.masked:
            up_proj, down_proj = (used(weights, routing.load) for weights in (up_proj, down_proj))
        name = self.matmul or fastest_matmul(routing.experts.numel(), up_proj, down_proj, routing.load)
        matmul = MATMULS[name]
        slots = (Slots.padded if name == "padded" else Slots.sorted)(routing.experts, routing.load)
        rows = Dispatch.apply(tokens, slots.token, slots.place)  # type: ignore[no-untyped-call]
        hidden = activate(add_bias(matmul(rows, up_proj, slots), self.up_proj_bias, slots.load), self.gated)
        rows = add_bias(matmul(hidden, down_proj, slots), self.down_proj_bias, slots.load)
        y: Tensor = Combine.apply(rows, routing.gates.to(rows.dtype), slots.token, slots.place)  # type: ignore[no-untyped-call]
        return y

    def routed_in_part(self, tokens: Tensor, routing: Routing, used: Tensor) -> Tensor:
        """Return the gated sum of the slots that are used, (tokens, d_model); the others are not computed."""
        tokens, up_proj, down_proj = _as_autocast(tokens, self.up_proj, self.down_proj)
        matmul = MATMULS[unpadded_matmul(up_proj, down_proj)]
        token, rank = used.nonzero(as_tuple=True)
        order = routing.experts[token, rank].argsort(stable=True)
        token, rank = token[order], rank[order]
        slots = Slots(token, rank, routing.load, ends_of(routing.load))
        hidden = matmul(tokens.index_select(0, token), up_proj, slots)
        hidden = activate(add_bias(hidden, self.up_proj_bias, slots.load), self.gated)
        rows = add_bias(matmul(hidden, down_proj, slots), self.down_proj_bias, slots.load)
        gates = routing.gates[token, rank].to(rows.dtype).unsqueeze(-1)
        return torch.zeros_like(tokens).index_add(0, token, gates * rows)


def used(weights: Tensor, load: Tensor) -> Tensor:
    """Return weights (n_experts, …) with those of experts without tokens set to 0; their gradient is 0 too."""
    return weights.where((load > 0).view(-1, 1, 1), 0)


class FeedForward(nn.Module):
    """A dense feed-forward network: SwiGLU (arXiv 2002.05202) or GELU.

    `up_proj` stacks the gate and up projections if the network is gated (SwiGLU).
    """

    def __init__(self, shape: Shape, hidden: int, bias: bool):
        super().__init__()
        self.gated = shape.ffn == "swiglu"
        self.up_proj = nn.Linear(shape.d_model, hidden * (2 if self.gated else 1), bias=bias)
        self.down_proj = nn.Linear(hidden, shape.d_model, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output, shape of x (…, d_model)."""
        y: Tensor = self.down_proj(activate(self.up_proj(x), self.gated))
        return y


def activate(x: Tensor, gated: bool) -> Tensor:
    """Return silu(gate) * up of the two halves of x, or gelu(x)."""
    if not gated:
        return F.gelu(x)
    gate, up = x.chunk(2, dim=-1)
    return F.silu(gate) * up


def _as_autocast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return the tensors in the autocast type if autocast is on: it does not know the grouped kernel."""
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device):
        return tensors
    return tuple(tensor.to(torch.get_autocast_dtype(device)) for tensor in tensors)
