"""Cross entropy of the head, computed in chunks: the logits of all tokens over a large vocabulary never exist at once.

64k tokens times a vocabulary of 50k are 13 GB of fp32 logits. Above `CHUNK` logits the head is applied to some tokens
at a time, and each chunk keeps only its losses and its part of the gradient (the idea of arXiv 2411.09009).
`F.linear_cross_entropy` does the same from torch 2.13 on; this also runs on 2.11.
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
"""Largest number of logits at once on a CPU: 64 MB of fp32. Fewer are never cut into chunks, on any device."""
GPU_CHUNK = PART
"""The same on a GPU. Each chunk reads and writes the gradient of the whole head; with a vocabulary of 50k, a `CHUNK` is
only 333 tokens and would move more bytes for that gradient than for its logits."""

WHOLE = {"cuda": 64}
"""Per device: the number of logits per token is padded to a multiple of this. With an odd number, such as the 50,257 of
GPT-2, rows of bf16 are not aligned to 16 bytes, and matrix products on a GPU are slow."""


def linear_cross_entropy(x: Tensor, weight: Tensor, targets: Tensor, *, compiled: bool = False) -> Tensor:
    """Return the mean loss, in nats per token, of the logits x @ weight.T, with gradients for x and weight.

    x: (…, d_model); weight: (vocab_size, d_model); targets: (…). Products run in the autocast type if autocast is on,
    the loss in float32 (float64 for float64 inputs). Second derivatives are not defined. `compiled` fuses the pointwise
    operations on the logits; one by one they take a GPU longer than the head's products.
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
        F.cross_entropy(_at_least_fp32(F.linear(chunk, weight)[:, :vocab_size]), wanted, reduction="none")
        for chunk, wanted in _chunks(rows, targets.flatten(), vocab_size)
    ]
    return torch.cat(parts).view_as(targets)


def product_type(x: Tensor) -> torch.dtype:
    """Return the type of a matrix product with x: autocast's if autocast is on, else that of x."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


class _Chunked(torch.autograd.Function):
    """The mean cross entropy. The forward pass computes the gradient as well, while the logits of a chunk exist."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, targets: Tensor, dtype: torch.dtype, compiled: bool) -> Tensor:
        """Return the mean loss of rows x (tokens, d_model)."""
        differentiate = _compiled_gradient() if compiled else loss_and_gradient
        matrix, total = _padded(weight.to(dtype)), torch.zeros((), dtype=_at_least_fp32(x).dtype, device=x.device)
        x_gradient, weight_gradient = torch.empty_like(x), torch.zeros_like(weight)
        start, vocab_size = 0, len(weight)
        with torch.autocast(x.device.type, enabled=False):
            for chunk, wanted in _chunks(x.to(dtype), targets, vocab_size):
                loss, gradient = differentiate(chunk @ matrix.T, wanted, vocab_size, len(targets))
                total += loss
                x_gradient[start : start + len(chunk)] = gradient @ matrix
                weight_gradient += (gradient.T @ chunk)[:vocab_size]
                start += len(chunk)
        ctx.save_for_backward(x_gradient, weight_gradient)
        return total / len(targets)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        """Return the gradients of x and weight, scaled by the gradient of the loss."""
        x_gradient, weight_gradient = ctx.saved_tensors
        return x_gradient * gradients[0], weight_gradient * gradients[0], None, None, None


def loss_and_gradient(logits: Tensor, wanted: Tensor, vocab_size: int, count: int) -> tuple[Tensor, Tensor]:
    """Return the summed loss of logits (tokens, …) and the gradient of loss / count with respect to them.

    Only the first `vocab_size` logits of a token count; the others are padding. Works in place where it can.
    """
    dtype, logits = logits.dtype, _at_least_fp32(logits)
    logits[:, vocab_size:] = -math.inf
    normaliser = logits.logsumexp(-1, keepdim=True)
    loss = (normaliser - logits.gather(-1, wanted.unsqueeze(-1))).sum()
    gradient = logits.sub_(normaliser).exp_()  # softmax, in place of the logits
    gradient.scatter_add_(-1, wanted.unsqueeze(-1), gradient.new_full((len(wanted), 1), -1.0))
    return loss, gradient.div_(count).to(dtype)


def pointwise_loss_and_gradient(logits: Tensor, wanted: Tensor, vocab_size: int, count: int) -> tuple[Tensor, Tensor]:
    """Return the same as `loss_and_gradient`, without in-place operations, so that a compiler can fuse it."""
    wide, ids = _at_least_fp32(logits), torch.arange(logits.shape[1], device=logits.device)
    if vocab_size < len(ids):
        wide = wide.masked_fill(ids >= vocab_size, -math.inf)
    normaliser = wide.logsumexp(-1, keepdim=True)
    loss = (normaliser - wide.gather(-1, wanted.unsqueeze(-1))).sum()
    hit = ids == wanted.unsqueeze(-1)
    return loss, (((wide - normaliser).exp() - hit.to(wide.dtype)) / count).to(logits.dtype)


@cache
def _compiled_gradient() -> Callable[[Tensor, Tensor, int, int], tuple[Tensor, Tensor]]:
    # dynamic=False: the last chunk is shorter and gets a graph of its own
    return torch.compile(pointwise_loss_and_gradient, fullgraph=True, dynamic=False)


def _padded(matrix: Tensor) -> Tensor:
    """Return a head's matrix, with rows of zeros added up to the multiple in `WHOLE`."""
    missing = -len(matrix) % WHOLE.get(matrix.device.type, 1)
    return F.pad(matrix, (0, 0, 0, missing)) if missing else matrix


def _chunks(x: Tensor, targets: Tensor, vocab_size: int) -> Any:
    rows = max(1, (GPU_CHUNK if x.device.type == "cuda" else CHUNK) // vocab_size)
    return zip(torch.split(x, rows), torch.split(targets, rows), strict=True)


def _at_least_fp32(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()
