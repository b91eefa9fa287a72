"""Loss and gradient of the plain decoder with the gradient written out, for small models on a CPU.

A step of a model of some hundred thousand parameters is some hundred operations of a few microseconds, and keeping an
autograd graph of them costs as much as many of them do. Here each piece of the model returns its output and the way
back through it: a function from the gradient of the output to that of the input, which leaves those of the weights in
them. Operations and order are those of autograd over the model's own forward pass, so the bits are too.
"""

import math
from collections.abc import Callable
from dataclasses import MISSING, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jobs.training.attention import Attention, Table, rotate
from jobs.training.experts import (
    PRODUCT_GRADIENTS,
    PRODUCTS,
    Experts,
    FeedForward,
    Slots,
    combine_gradients,
    gather_sum,
    path_for,
)  # fmt: skip
from jobs.training.loss import CHUNK
from jobs.training.model import Layer, Transformer
from jobs.training.routing import Routing, TopKRouter
from planners.shape import Shape
from planners.spec import Router, RunSpec

aten = torch.ops.aten
SIZES = ("n_experts", "top_k", "d_expert", "d_shared", "moe_every")
PLAIN = {f.name: f.default for f in fields(Shape) if f.default is not MISSING and f.name not in SIZES}
"""What is not written out is what a shape says beside its sizes and not as it says by default."""
MEAN = 1
"""How torch's operators call the reduction of a loss to its mean."""

Back = Callable[[Tensor], Tensor]
"""From the gradient of a piece's output to that of its input."""
BackOnto = Callable[[Tensor, Tensor], Tensor]
"""The same, added to a gradient of the input that is known already."""


def suits(spec: RunSpec, device: torch.device) -> bool:
    """Return whether a run on `device` has nothing but what is written out here."""
    shape, router = spec.shape, spec.router
    plain = all(getattr(shape, name) == value for name, value in PLAIN.items()) and shape.n_heads == shape.n_kv_heads
    fits = spec.training.batch_tokens * shape.vocab_size <= CHUNK  # above it the loss is computed in chunks
    aligned = not any(width % 4 for width in (shape.d_model, shape.d_expert))  # as the grouped product wants it
    usual = router == Router(balance=router.balance, bias_rate=router.bias_rate)
    return device.type == "cpu" and spec.training.precision == "fp32" and plain and usual and fits and aligned


@torch.no_grad()
def gradients(model: Transformer, windows: Tensor, balance: float) -> tuple[Tensor, list[Routing]]:
    """Leave the gradient of a batch in the weights; return cross entropy and routings of windows (batch, T + 1).

    What is minimised is the cross entropy plus `balance` times the balance loss of each router, in float32.
    """
    tokens, targets = windows[:, :-1], windows[:, 1:].flatten()
    table = model.table(tokens.shape[1], tokens.device)
    assert table is not None
    x, backs, routings = model.embedding(tokens).flatten(0, 1), [], []
    for layer in model.layers:
        x, routing, back = through_layer(x, layer, table, len(tokens), balance)  # type: ignore[arg-type]
        backs.append(back)
        routings += [routing] if routing is not None else []
    normed, back_norm = rms_norm(x, model.norm)
    logits, back_head = linear(normed, model.head.weight)
    entropy, g = cross_entropy(logits, targets)
    g = back_norm(back_head(g), None)
    while backs:
        g = backs.pop()(g)  # and what it held is freed
    weight = model.embedding.weight
    weight.grad = aten.embedding_dense_backward(g.view(*tokens.shape, -1), tokens, len(weight), -1, False)
    return entropy, routings


def through_layer(
    x: Tensor, layer: Layer, table: Table, batch: int, balance: float
) -> tuple[Tensor, Routing | None, Back]:
    """Return the residual stream x (tokens, d_model) of `batch` sequences after a layer, and the layer's routing."""
    normed, back_first = rms_norm(x, layer.attention_norm)
    y, back_attention = attention(normed, layer.attention, table, batch)
    between, routing = x + y, None
    normed, back_second = rms_norm(between, layer.ffn_norm)
    if isinstance(layer.ffn, Experts):
        y, routing, back_ffn = experts(normed, layer.ffn, balance)
    else:
        y, back_ffn = feed_forward(normed, layer.ffn)

    def back(g: Tensor) -> Tensor:
        g = back_second(back_ffn(g), g)
        return back_first(back_attention(g), g)

    return y.add_(between), routing, back


def linear(x: Tensor, weight: Tensor) -> tuple[Tensor, Back]:
    """Return x @ weight.T for x (tokens, inputs)."""

    def back(g: Tensor) -> Tensor:
        weight.grad = g.t() @ x
        return g @ weight

    return x @ weight.t(), back


def rms_norm(x: Tensor, norm: nn.RMSNorm | nn.LayerNorm) -> tuple[Tensor, Callable[[Tensor, Tensor | None], Tensor]]:
    """Return x (tokens, d_model) normed (arXiv 1910.07467); the gradient of x is added to a known one, if any."""
    assert norm.eps is not None
    scale = x.square().mean(-1, keepdim=True).add_(norm.eps).rsqrt_()
    shrunk = x * scale

    def back(g: Tensor, known: Tensor | None) -> Tensor:
        norm.weight.grad = (g * shrunk).sum(0)
        g = g * norm.weight
        of_square = (g * x).sum(-1, keepdim=True).mul_(-0.5).mul_(scale.pow(3)).div_(x.shape[-1])
        g = g.mul_(scale) if known is None else g.mul_(scale).add_(known)
        return g.add_(of_square.mul_(2) * x)

    return shrunk * norm.weight, back


def attention(x: Tensor, module: Attention, table: Table, batch: int) -> tuple[Tensor, Back]:
    """Return the attended values of x (tokens, d_model), which are `batch` sequences."""
    n_heads, n_turned, scale = module.n_heads, 2 * module.n_heads, 1 / math.sqrt(module.head_dim)

    def by_head(rows: Tensor) -> Tensor:
        return rows.view(batch, len(rows) // batch, -1, module.head_dim).transpose(1, 2)

    projected, back_in = linear(x, module.query_key_value.weight)
    heads = by_head(projected)  # (batch, heads, T, head_dim)
    turned, value = rotate(heads[:, :n_turned], table), heads[:, n_turned:]
    query, key = turned[:, :n_heads], turned[:, n_heads:]
    y, normaliser = aten._scaled_dot_product_flash_attention_for_cpu(query, key, value, 0.0, True, scale=scale)
    out, back_out = linear(y.transpose(1, 2).reshape(len(x), -1), module.fall.weight)

    def back(g: Tensor) -> Tensor:
        *of_turned, of_value = aten._scaled_dot_product_flash_attention_for_cpu_backward(
            by_head(back_out(g)), query, key, value, y, normaliser, 0.0, True, scale=scale
        )
        of_both, of_projected = torch.cat(of_turned, dim=1), torch.empty_like(projected)
        of_heads = by_head(of_projected)
        torch.mul(of_both, table[0], out=of_heads[:, :n_turned])
        of_heads[:, :n_turned].add_((of_both * table[1]).roll(module.head_dim // 2, -1))
        of_heads[:, n_turned:].copy_(of_value)
        return back_in(of_projected)

    return out, back


def feed_forward(x: Tensor, module: FeedForward) -> tuple[Tensor, Back]:
    """Return the output of a dense feed-forward network for x (tokens, d_model)."""
    rise, back_rise = linear(x, module.rise.weight)
    hidden, back_hidden = swiglu(rise)
    y, back_fall = linear(hidden, module.fall.weight)
    return y, lambda g: back_rise(back_hidden(back_fall(g)))


def swiglu(x: Tensor) -> tuple[Tensor, Back]:
    """Return silu(gate) * up of the two halves of x (arXiv 2002.05202)."""
    gate, up = x.chunk(2, dim=-1)
    opened = F.silu(gate)

    def back(g: Tensor) -> Tensor:
        of_x = torch.empty_like(x)
        of_gate, of_up = of_x.chunk(2, dim=-1)
        torch.mul(g, opened, out=of_up)
        aten.silu_backward(g * up, gate, grad_input=of_gate)
        return of_x

    return opened * up, back


def experts(x: Tensor, module: Experts, balance: float) -> tuple[Tensor, Routing, Back]:
    """Return the output of an expert layer for x (tokens, d_model), and where the tokens went."""
    routing, back_router = router(x, module.router, balance)
    y, back_routed = routed(x, module, routing)
    shared, back_shared = None, None
    if module.shared is not None:
        shared, back_shared = feed_forward(x, module.shared)
        y = y.add_(shared)

    def back(g: Tensor) -> Tensor:
        of_shared = None if back_shared is None else back_shared(g)
        of_x, of_gates = back_routed(g)
        of_x = of_x if of_shared is None else of_shared.add_(of_x)
        return back_router(of_gates, of_x)

    return y, routing, back


def routed(x: Tensor, module: Experts, routing: Routing) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Tensor]]]:
    """Return the gated sum of the routed experts; the way back gives the gradients of x and of the gates."""
    path = path_for(routing.experts.numel(), module.rise, module.fall, routing.load)
    product, product_gradients = PRODUCTS[path], PRODUCT_GRADIENTS[path]
    slots = (Slots.padded if path == "padded" else Slots.sorted)(routing.experts, routing.load)
    rows = x.index_select(0, slots.token)
    hidden, back_hidden = swiglu(product(rows, module.rise, slots))
    out = product(hidden, module.fall, slots)

    def back(g: Tensor) -> tuple[Tensor, Tensor]:
        of_out, of_gates = combine_gradients(g, out, routing.gates, slots.token, slots.place)
        of_hidden, module.fall.grad = product_gradients(of_out, hidden, module.fall, slots)
        of_rows, module.rise.grad = product_gradients(back_hidden(of_hidden), rows, module.rise, slots)
        return gather_sum(of_rows, slots.place), of_gates

    return gather_sum(out, slots.place, routing.gates), back


def router(x: Tensor, module: TopKRouter, balance: float) -> tuple[Routing, BackOnto]:
    """Return where the tokens x (tokens, d_model) go; the way back adds what gates and balance loss ask of x."""
    routing = module(x)
    shares: Tensor = routing.shares

    def back(of_gates: Tensor, known: Tensor) -> Tensor:
        evenness = routing.load.to(shares.dtype) / routing.load.sum()
        slope = torch.ones(()).mul_(balance).mul_(len(evenness))  # of the balance loss, eq. 4 of arXiv 2101.03961
        of_shares = torch.empty_like(shares).copy_(evenness.mul_(slope).div_(len(shares)))
        of_shares.scatter_add_(-1, routing.experts, of_gates)
        of_logits = aten._softmax_backward_data(of_shares, shares, -1, shares.dtype)
        module.weight.grad = of_logits.t() @ x
        return known.add_(of_logits @ module.weight)

    return routing, back


def cross_entropy(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean cross entropy of logits (tokens, vocab_size) in nats per token, and its gradient."""
    log_shares = logits.log_softmax(-1)
    mean, total = aten.nll_loss_forward(log_shares, targets, None, MEAN, -100)
    g = aten.nll_loss_backward(torch.ones(()), log_shares, targets, None, MEAN, -100, total)
    return mean, aten._log_softmax_backward_data(g, log_shares, -1, log_shares.dtype)
