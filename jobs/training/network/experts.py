"""The expert layer: tokens sorted by expert, one grouped matrix product, and back; no token is dropped here.

Three paths compute the same. `grouped_product` is the fast one. `looped_product` is the readable reference and the path
for float64 and for widths that the grouped product does not take; the two give the same bits on a CPU in float32.
`padded_product` gives every expert as many rows as the busiest one has: on a CPU, where few tokens an expert make
products so small that calling them one by one is what costs, one call for all of them is faster.
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
    """The order in which routed slots are computed: by expert, and within an expert by token."""

    token: Tensor
    """(slots,) token of each slot in that order; there are tokens * K slots, and those that only pad."""
    place: Tensor
    """(tokens, K) where each token's slots stand in that order."""
    load: Tensor
    """(n_experts,) slots of each expert."""
    ends: Tensor
    """(n_experts,) where the slots of each expert end, int32."""

    @classmethod
    def sorted(cls, experts: Tensor, load: Tensor) -> "Slots":
        """Return the order for the chosen `experts` (tokens, K), without waiting for the device."""
        order = by_expert(experts, len(load))
        place = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        return cls(order // experts.shape[1], place.view_as(experts), load, ends_of(load))

    @classmethod
    def padded(cls, experts: Tensor, load: Tensor) -> "Slots":
        """Return the order in which every expert has equally many slots; those that pad hold token 0."""
        rows = padded_rows(load)
        place = experts * rows + rank_in_expert(experts, load)
        tokens = torch.arange(experts.numel(), device=place.device) // experts.shape[1]
        token = tokens.new_zeros(len(load) * rows).scatter_(0, place.flatten(), tokens)
        even = torch.full_like(load, rows)
        return cls(token, place, even, ends_of(even))


def ends_of(load: Tensor) -> Tensor:
    """Return where the slots of each expert end, as the grouped product wants to know it."""
    return load.cumsum(0).to(torch.int32)


def padded_rows(load: Tensor) -> int:
    """Return the rows of every expert where all have as many: the most that one has, and whole eights of them."""
    return -(-int(load.max()) // 8) * 8


class Dispatch(torch.autograd.Function):
    """Rows of tokens to the places of their slots.

    The gradient gathers too, so there are no atomic adds and it is deterministic on a GPU.
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
    """The sum of each token's slots, weighted with their gates."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, gates: Tensor, token: Tensor, place: Tensor) -> Tensor:
        """Return (tokens, width) for rows (slots, width) and gates (tokens, K) of the same type."""
        ctx.save_for_backward(rows, gates, token, place)
        return gather_sum(rows, place, gates)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Return the gradients of rows and gates."""
        return *combine_gradients(gradients[0], *ctx.saved_tensors), None, None


def combine_gradients(g: Tensor, rows: Tensor, gates: Tensor, token: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients of rows and gates of `Combine` for that of its output, g (tokens, width)."""
    spread = g.index_select(0, token)
    of_gates = (spread * rows).sum(-1).index_select(0, place.flatten()).view_as(gates)
    in_order = gates.new_zeros(len(rows)).scatter_(0, place.flatten(), gates.flatten())  # 0 where a slot only pads
    return spread.mul_(in_order.unsqueeze(-1)), of_gates


def gather_sum(rows: Tensor, place: Tensor, gates: Tensor | None = None) -> Tensor:
    """Return sum_k gates[t, k] * rows[place[t, k]] for every token t, shape (tokens, width); gates default to 1."""
    if rows.device.type == "cpu":  # one pass over the rows, where gather, product and sum would be three
        return F.embedding_bag(place, rows, mode="sum", per_sample_weights=gates)
    gathered = rows.index_select(0, place.flatten()).view(*place.shape, -1)
    weighted = gathered if gates is None else gathered * gates.unsqueeze(-1)
    return weighted.sum(1, dtype=rows.dtype)  # said, because CUDA's autocast would return fp32 otherwise


class AddBias(torch.autograd.Function):
    """Each expert's bias added to its rows; the gradient is a sum per expert, without atomic adds."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor, load: Tensor) -> Tensor:
        """Return x (slots, width), sorted by expert, with the rows of bias (n_experts, width)."""
        ctx.save_for_backward(load)
        expert = torch.arange(len(load), device=x.device).repeat_interleave(load, output_size=len(x))
        return x + bias.index_select(0, expert).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        """Return the gradients of x and bias."""
        wide = gradients[0] if gradients[0].dtype == torch.float64 else gradients[0].float()
        return gradients[0], torch.segment_reduce(wide, "sum", lengths=ctx.saved_tensors[0], unsafe=True), None


def add_bias(x: Tensor, bias: Tensor | None, load: Tensor) -> Tensor:
    """Return x with the bias of each row's expert, where there is one."""
    if bias is None:
        return x
    y: Tensor = AddBias.apply(x, bias, load)  # type: ignore[no-untyped-call]
    return y


def grouped_product(x: Tensor, weights: Tensor, slots: Slots) -> Tensor:
    """Return x[rows of expert e] @ weights[e].T for every expert, in one product.

    x: (slots, inputs), sorted by expert; weights: (n_experts, outputs, inputs), each expert's as a Linear has them. The
    loads sum to the rows of x: rows beyond would be undefined. Strides must be multiples of 16 bytes; not for float64.
    One kernel for bf16 on GPUs of compute capability 9.0 and 10.0; on others torch takes the experts one by one and
    waits for the loads (torch 2.11, 2.13).
    """
    return F.grouped_mm(x, weights.transpose(1, 2), offs=slots.ends)


def looped_product(x: Tensor, weights: Tensor, slots: Slots) -> Tensor:
    """Return the same as `grouped_product`, one expert after the other.

    Rows and weights are taken apart once: indexing them would make a whole zero gradient per expert.
    """
    pairs = zip(torch.split(x, slots.load.tolist()), weights.unbind(0), strict=True)
    return torch.cat([rows @ weight.t() for rows, weight in pairs])


def padded_product(x: Tensor, weights: Tensor, slots: Slots) -> Tensor:
    """Return the same for x in which all experts have the same number of rows."""
    return torch.bmm(x.view(len(weights), -1, x.shape[1]), weights.transpose(1, 2)).flatten(0, 1)


PRODUCTS: dict[str, Callable[[Tensor, Tensor, Slots], Tensor]] = {
    "grouped": grouped_product,
    "looped": looped_product,
    "padded": padded_product,
}

PADDING_WORTH = {torch.float32: 10_000, torch.float64: 10_000, torch.bfloat16: 60_000}
"""Padding rows * d_model * d_expert that cost as much as calling an expert's products one by one (measured); a call in
bf16 costs several times one in fp32, as oneDNN prepares each new size."""


def path_for(slots: int, rise: Tensor, fall: Tensor, load: Tensor) -> str:
    """Return the path of `PRODUCTS` that is fastest for so many slots, among those that take the widths."""
    if rise.device.type == "cpu" and not torch.compiler.is_compiling():
        padding = padded_rows(load) - slots / len(load)
        if padding * fall.shape[1] * fall.shape[2] < PADDING_WORTH.get(rise.dtype, 0):
            return "padded"
    aligned = all(width * rise.element_size() % 16 == 0 for width in (*rise.shape[1:], *fall.shape[1:]))
    return "grouped" if aligned and rise.dtype in (torch.float32, torch.bfloat16) else "looped"


class Experts(nn.Module):
    """Router, `n_experts` feed-forward networks, and one shared expert that every token passes through."""

    path: str | None = None
    """One of `PRODUCTS`; None: what `path_for` finds fastest."""
    masked: bool = False
    """Take the weights of experts without tokens as 0, for GPUs whose grouped product gives them a gradient."""

    def __init__(self, shape: Shape, settings: Router):
        super().__init__()
        n_experts, d_model, d_expert = shape.n_experts, shape.d_model, shape.d_expert
        self.gated = shape.ffn == "swiglu"
        inner = d_expert * (2 if self.gated else 1)
        self.router = TopKRouter(d_model, n_experts, shape.top_k, settings)
        self.rise = nn.Parameter(torch.empty(n_experts, inner, d_model))
        self.fall = nn.Parameter(torch.empty(n_experts, d_model, d_expert))
        self.rise_bias = nn.Parameter(torch.empty(n_experts, inner)) if shape.expert_bias else None
        self.fall_bias = nn.Parameter(torch.empty(n_experts, d_model)) if shape.expert_bias else None
        self.shared = FeedForward(shape, shape.d_shared, shape.expert_bias) if shape.d_shared else None
        self.shared_gate = nn.Linear(d_model, 1, bias=False) if shape.shared_gate else None

    def forward(self, x: Tensor) -> tuple[Tensor, Routing]:
        """Return the layer's output, shape of x (batch, T, d_model), and where the tokens went."""
        tokens = x.reshape(-1, x.shape[-1])
        routing = self.router(tokens)
        y = self.routed(tokens, routing)
        if self.shared is not None:
            shared = self.shared(tokens)
            y = y + (shared if self.shared_gate is None else self.shared_gate(tokens).sigmoid() * shared)
        return y.view_as(x), routing

    def routed(self, tokens: Tensor, routing: Routing) -> Tensor:
        """Return the gated sum of the routed experts, shape (tokens, d_model)."""
        tokens, rise, fall = _as_autocast(tokens, self.rise, self.fall)
        if self.masked:
            rise, fall = (used(weights, routing.load) for weights in (rise, fall))
        path = self.path or path_for(routing.experts.numel(), rise, fall, routing.load)
        product = PRODUCTS[path]
        slots = (Slots.padded if path == "padded" else Slots.sorted)(routing.experts, routing.load)
        rows = Dispatch.apply(tokens, slots.token, slots.place)  # type: ignore[no-untyped-call]
        hidden = activate(add_bias(product(rows, rise, slots), self.rise_bias, slots.load), self.gated)
        rows = add_bias(product(hidden, fall, slots), self.fall_bias, slots.load)
        y: Tensor = Combine.apply(rows, routing.gates.to(rows.dtype), slots.token, slots.place)  # type: ignore[no-untyped-call]
        return y


def used(weights: Tensor, load: Tensor) -> Tensor:
    """Return weights (n_experts, …) of experts that have tokens, and 0 for the others, with a gradient of 0."""
    return weights.where((load > 0).view(-1, 1, 1), 0)


class FeedForward(nn.Module):
    """A dense feed-forward network: SwiGLU (arXiv 2002.05202) or GELU."""

    def __init__(self, shape: Shape, hidden: int, bias: bool):
        super().__init__()
        self.gated = shape.ffn == "swiglu"
        self.rise = nn.Linear(shape.d_model, hidden * (2 if self.gated else 1), bias=bias)
        self.fall = nn.Linear(hidden, shape.d_model, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output, shape of x (…, d_model)."""
        y: Tensor = self.fall(activate(self.rise(x), self.gated))
        return y


def activate(x: Tensor, gated: bool) -> Tensor:
    """Return silu(gate) * up of the two halves of x, or gelu(x)."""
    if not gated:
        return F.gelu(x)
    gate, up = x.chunk(2, dim=-1)
    return F.silu(gate) * up


def _as_autocast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return the tensors in the autocast type where autocast is on; it does not know the grouped product."""
    device = tensors[0].device.type
    if not torch.is_autocast_enabled(device):
        return tensors
    return tuple(tensor.to(torch.get_autocast_dtype(device)) for tensor in tensors)
