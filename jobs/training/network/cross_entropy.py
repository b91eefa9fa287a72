"""Cross entropy of the head: the logits of all tokens over a large vocabulary never exist at once.

64k tokens times a vocabulary of 50k are 13 GB of fp32 logits. Above `CHUNK` logits the head is applied to some tokens
at a time, and each part leaves behind only its losses and its share of the gradient (the idea of arXiv 2411.09009).
`F.linear_cross_entropy` does the same from torch 2.13 on; this runs on 2.11.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from planners.architecture.memory import LOGITS, PART

CHUNK = LOGITS
"""Most logits at once: 64 MB of fp32."""
GPU_CHUNK = PART
"""The same on a GPU. Each part reads and writes the gradient of the whole head, so that 333 tokens at a time, a CHUNK
at a vocabulary of 50k, would move more bytes for it than for the logits."""

WHOLE = {"cuda": 64}
"""Logits of a token, in whole multiples of which they are computed: an odd number of them, such as the 50,257 of GPT-2,
makes rows of bf16 that begin at no multiple of 16 bytes, and the products of a GPU slow."""


def linear_cross_entropy(x: Tensor, weight: Tensor, targets: Tensor, *, compiled: bool = False) -> Tensor:
    """Return the mean loss in nats per token of the logits x @ weight.T, with gradients for x and weight.

    x: (…, d_model); weight: (vocab_size, d_model); targets: (…). Products run in the autocast type where autocast is
    on, the loss in float32 (float64 for float64 inputs). Gradients of gradients are not defined. `compiled` fuses
    what is done to the logits, which one by one takes a GPU longer than the head's products.
    """
    x, targets = x.flatten(0, -2), targets.flatten()
    if x.shape[0] * weight.shape[0] <= CHUNK:
        return F.cross_entropy(_at_least_fp32(F.linear(x, weight)), targets)
    mean: Tensor = _Chunked.apply(x, weight, targets, product_type(x), compiled)  # type: ignore[no-untyped-call]
    return mean


@torch.no_grad()
def token_losses(x: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Return the loss of each token in nats, shape of targets (…), as float32, without gradient."""
    dtype = product_type(x)
    rows, weight = x.flatten(0, -2).to(dtype), weight.to(dtype)
    vocab_size, weight = len(weight), _padded(weight)
    parts = [
        F.cross_entropy(_at_least_fp32(F.linear(some, weight)[:, :vocab_size]), wanted, reduction="none")
        for some, wanted in _chunks(rows, targets.flatten(), vocab_size)
    ]
    return torch.cat(parts).view_as(targets)


def product_type(x: Tensor) -> torch.dtype:
    """Return the type in which a matrix product with x runs here: autocast's, or that of x."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


class _Chunked(torch.autograd.Function):
    """The mean cross entropy; forward computes the gradient too, while the logits of a chunk are there."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, targets: Tensor, dtype: torch.dtype, compiled: bool) -> Tensor:
        """Return the mean loss of rows x (tokens, d_model)."""
        descend = _fused_slope() if compiled else slope
        matrix, total = _padded(weight.to(dtype)), torch.zeros((), dtype=_at_least_fp32(x).dtype, device=x.device)
        x_gradient, weight_gradient = torch.empty_like(x), torch.zeros_like(weight)
        start, vocab_size = 0, len(weight)
        with torch.autocast(x.device.type, enabled=False):
            for some, wanted in _chunks(x.to(dtype), targets, vocab_size):
                loss, gradient = descend(some @ matrix.T, wanted, vocab_size, len(targets))
                total += loss
                x_gradient[start : start + len(some)] = gradient @ matrix
                weight_gradient += (gradient.T @ some)[:vocab_size]
                start += len(some)
        ctx.save_for_backward(x_gradient, weight_gradient)
        return total / len(targets)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        """Return the gradients, scaled."""
        x_gradient, weight_gradient = ctx.saved_tensors
        return x_gradient * gradients[0], weight_gradient * gradients[0], None, None, None


def slope(logits: Tensor, wanted: Tensor, vocab_size: int, count: int) -> tuple[Tensor, Tensor]:
    """Return the summed loss of logits (tokens, …) and, in their type, the gradient of the loss over `count`.

    The first `vocab_size` logits of a token are meant, and the others pad. Whatever can be is done in place.
    """
    dtype, logits = logits.dtype, _at_least_fp32(logits)
    logits[:, vocab_size:] = -math.inf
    normaliser = logits.logsumexp(-1, keepdim=True)
    loss = (normaliser - logits.gather(-1, wanted.unsqueeze(-1))).sum()
    gradient = logits.sub_(normaliser).exp_()  # softmax, in place of the logits
    gradient.scatter_add_(-1, wanted.unsqueeze(-1), gradient.new_full((len(wanted), 1), -1.0))
    return loss, gradient.div_(count).to(dtype)


def pointwise_slope(logits: Tensor, wanted: Tensor, vocab_size: int, count: int) -> tuple[Tensor, Tensor]:
    """Return the same as `slope`, written so that a compiler can make one pass of it: in place, it could not."""
    wide, ids = _at_least_fp32(logits), torch.arange(logits.shape[1], device=logits.device)
    if vocab_size < len(ids):
        wide = wide.masked_fill(ids >= vocab_size, -math.inf)
    normaliser = wide.logsumexp(-1, keepdim=True)
    loss = (normaliser - wide.gather(-1, wanted.unsqueeze(-1))).sum()
    hit = ids == wanted.unsqueeze(-1)
    return loss, (((wide - normaliser).exp() - hit.to(wide.dtype)) / count).to(logits.dtype)


@cache
def _fused_slope() -> Callable[[Tensor, Tensor, int, int], tuple[Tensor, Tensor]]:
    return torch.compile(pointwise_slope, fullgraph=True, dynamic=False)  # its last part has a size of its own


def _padded(matrix: Tensor) -> Tensor:
    """Return a head's matrix with rows of zeros to a number of rows with which products are fast on its device."""
    missing = -len(matrix) % WHOLE.get(matrix.device.type, 1)
    return F.pad(matrix, (0, 0, 0, missing)) if missing else matrix


def _chunks(x: Tensor, targets: Tensor, vocab_size: int) -> Any:
    rows = max(1, (GPU_CHUNK if x.device.type == "cuda" else CHUNK) // vocab_size)
    return zip(torch.split(x, rows), torch.split(targets, rows), strict=True)


def _at_least_fp32(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
