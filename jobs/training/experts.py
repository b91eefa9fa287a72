"""The expert layer: tokens sorted by expert, one grouped matrix product, and back; no token is dropped here.

`grouped_product` is the fast path; `looped_product` is the readable reference and the path for float64 and for
widths that the grouped product does not take. They give the same bits on a CPU in float32.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jobs.training.routing import Routing, TopKRouter
from planners.shape import Shape
from planners.spec import Router


class Permute(torch.autograd.Function):
    """Rows of x in another order. The gradient is a gather too: no atomic adds, so it is deterministic on CUDA."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        """Return x[order]."""
        ctx.save_for_backward(inverse)
        return x[order]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient of x."""
        (inverse,) = ctx.saved_tensors
        return gradients[0][inverse], None, None


def grouped_product(x: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    """Return x[rows of expert e] @ weights[e] for every expert, in one product.

    x: (slots, inner), sorted by expert; weights: (n_experts, inner, outer); ends: (n_experts,) int32, where each
    expert's rows end. Strides must be multiples of 16 bytes; not for float64.
    """
    return F.grouped_mm(x, weights, offs=ends)


def looped_product(x: Tensor, weights: Tensor, ends: Tensor) -> Tensor:
    """Return the same as `grouped_product`, one expert after the other.

    The weights are unbound once: indexing them would make a whole zero gradient per expert.
    """
    bounds = [0, *ends.tolist()]
    pairs = zip(bounds[:-1], bounds[1:], weights.unbind(0), strict=True)
    return torch.cat([x[start:end] @ weight for start, end, weight in pairs])


def product_for(x: Tensor, *weights: Tensor) -> Any:
    """Return the grouped product where its constraints hold for all `weights`, else the loop."""
    aligned = all(width * x.element_size() % 16 == 0 for weight in weights for width in weight.shape[1:])
    return grouped_product if aligned and x.dtype in (torch.float32, torch.bfloat16) else looped_product


class Experts(nn.Module):
    """Router, `n_experts` feed-forward networks, and one shared expert that every token passes through."""

    def __init__(self, shape: Shape, settings: Router):
        super().__init__()
        self.gated = shape.ffn == "swiglu"
        inner = shape.d_expert * (2 if self.gated else 1)
        self.router = TopKRouter(shape.d_model, shape.n_experts, shape.top_k, settings)
        self.rise = nn.Parameter(torch.empty(shape.n_experts, shape.d_model, inner))
        self.fall = nn.Parameter(torch.empty(shape.n_experts, shape.d_expert, shape.d_model))
        self.shared = FeedForward(shape.d_model, shape.d_shared, self.gated) if shape.d_shared else None

    def forward(self, x: Tensor) -> tuple[Tensor, Routing]:
        """Return the layer's output, shape of x (batch, T, d_model), and where the tokens went."""
        tokens = x.reshape(-1, x.shape[-1])
        routing = self.router(tokens)
        y = self.routed(tokens, routing)
        if self.shared is not None:
            y = y + self.shared(tokens)
        return y.view_as(x), routing

    def routed(self, tokens: Tensor, routing: Routing) -> Tensor:
        """Return the gated sum of the routed experts, shape (tokens, d_model)."""
        n_tokens, top_k = routing.experts.shape
        order = routing.experts.flatten().argsort(stable=True)  # (tokens * K,) slots by expert
        inverse = torch.empty_like(order)
        inverse[order] = torch.arange(len(order), device=order.device)
        ends = routing.load.cumsum(0).to(torch.int32)

        slots = tokens.unsqueeze(1).expand(-1, top_k, -1).reshape(n_tokens * top_k, -1)
        rows = Permute.apply(slots, order, inverse)  # type: ignore[no-untyped-call]
        rows, rise, fall = _as_autocast(rows, self.rise, self.fall)
        product = product_for(rows, rise, fall)
        hidden = activate(product(rows, rise, ends), self.gated)
        back: Tensor = Permute.apply(product(hidden, fall, ends), inverse, order)  # type: ignore[no-untyped-call]
        gates = routing.gates.unsqueeze(-1).to(back.dtype)  # (tokens, K, 1)
        return (back.view(n_tokens, top_k, -1) * gates).sum(1)


class FeedForward(nn.Module):
    """A dense feed-forward network: SwiGLU (arXiv 2002.05202) or GELU."""

    def __init__(self, d_model: int, hidden: int, gated: bool):
        super().__init__()
        self.gated = gated
        self.rise = nn.Linear(d_model, hidden * (2 if gated else 1), bias=False)
        self.fall = nn.Linear(hidden, d_model, bias=False)

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
