"""Self-attention, and how it knows positions: queries and keys are turned, or distance is penalised (ALiBi)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from planners.architecture.shape import Shape

ROTARY_BASE = 10_000.0
DIGIT = 256
"""ALiBi's positions are written in two digits of this base: bf16 is exact for whole numbers up to it only."""
WIDENING = 8
"""Dimensions by which ALiBi widens a head: two are used, and GPU kernels want multiples of 8."""

Table = tuple[Tensor, Tensor]
"""What attention knows of positions: cosines and sines, or what widens queries and keys."""


class Attention(nn.Module):
    """Attention over what came before; fewer key-value heads share among queries (arXiv 2305.13245)."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.n_heads, self.n_kv_heads, self.head_dim = shape.n_heads, shape.n_kv_heads, shape.head_dim
        self.positions, self.causal = shape.positions, shape.causal
        self.widths = [n * shape.head_dim for n in (shape.n_heads, shape.n_kv_heads, shape.n_kv_heads)]
        self.query_key_value = nn.Linear(shape.d_model, sum(self.widths), bias=shape.attention_bias != "none")
        self.fall = nn.Linear(self.widths[0], shape.d_model, bias=shape.attention_bias == "all")
        self.query_norm = self.key_norm = None
        if shape.qk_norm != "none":
            per_head = shape.qk_norm == "head"
            self.query_norm, self.key_norm = (
                norm_of(shape, shape.head_dim if per_head else width) for width in self.widths[:2]
            )

    def forward(self, x: Tensor, table: Table | None) -> Tensor:
        """Return the attended values, shape of x (batch, T, d_model); `table` is that of `position_table`."""
        projected = self.query_key_value(x)
        if self.query_norm is not None and self.key_norm is not None:
            query, key, value = projected.split(self.widths, dim=-1)
            projected = torch.cat((over_last(self.query_norm, query), over_last(self.key_norm, key), value), dim=-1)
        heads = projected.view(*x.shape[:2], -1, self.head_dim).transpose(1, 2)  # (batch, heads, T, head_dim)
        both, value = heads.split([self.n_heads + self.n_kv_heads, self.n_kv_heads], dim=1)
        if table is not None and self.positions == "rope":
            both = rotate(both, table)
        query, key = both.split([self.n_heads, self.n_kv_heads], dim=1)
        if table is not None and self.positions == "alibi":
            query, key, value = widen(query, table[0]), widen(key, table[1]), F.pad(value, (0, WIDENING))
        y = F.scaled_dot_product_attention(
            query, key, value, is_causal=self.causal, enable_gqa=self.n_heads != self.n_kv_heads,
            scale=1 / math.sqrt(self.head_dim),
        )  # fmt: skip
        attended: Tensor = self.fall(y[..., : self.head_dim].transpose(1, 2).flatten(2))
        return attended


def norm_of(shape: Shape, width: int) -> nn.RMSNorm | nn.LayerNorm:
    """Return a norm of the kind that `shape` has (arXiv 1910.07467, 1607.06450)."""
    return nn.RMSNorm(width, eps=1e-6) if shape.norm == "rmsnorm" else nn.LayerNorm(width, eps=1e-5)


def over_last(norm: nn.RMSNorm | nn.LayerNorm, x: Tensor) -> Tensor:
    """Return x (batch, T, width) normed in pieces as wide as the norm's weight, whole or head by head, in its type."""
    normed: Tensor = norm(x.to(norm.weight.dtype).view(*x.shape[:2], -1, norm.weight.shape[0]))
    return normed.flatten(2)


def position_table(shape: Shape, T: int, device: torch.device, dtype: torch.dtype) -> Table | None:
    """Return what the attention of `shape` needs to know of positions 0 … T-1; None where it knows none."""
    with torch.device(device):
        if shape.positions == "rope":
            first, second = rotary_table(shape.head_dim, T)
        elif shape.positions == "alibi":
            first, second = alibi_table(shape.n_heads, shape.head_dim, T)
        else:
            return None
        return first.to(dtype), second.to(dtype)


def rotary_table(head_dim: int, T: int) -> Table:
    """Return cosine and sine of the rotary angles, each (T, head_dim) (arXiv 2104.09864).

    The sines of the first half are negative: so the other dimension of a pair is added in both halves.
    """
    half = torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim
    angles = torch.outer(torch.arange(T, dtype=torch.float64), ROTARY_BASE**-half)
    return angles.cos().repeat(1, 2), torch.cat((-angles.sin(), angles.sin()), dim=1)


def rotate(x: Tensor, table: Table) -> Tensor:
    """Return x (batch, heads, T, head_dim) with each pair of dimensions (i, i + head_dim / 2) turned by position."""
    cosine, sine = table
    return (x * cosine + x.roll(x.shape[-1] // 2, -1) * sine).to(x.dtype)


def alibi_table(n_heads: int, head_dim: int, T: int) -> Table:
    """Return what widens queries, (n_heads, 1, WIDENING), and keys, (T, WIDENING), so that attention is ALiBi's.

    ALiBi (arXiv 2108.12409) adds -slope * (i - j) to the score of query i and key j. A softmax over j does not see
    what is constant in it, so slope * j remains: a product of one more dimension of query and key. So there is no bias
    of T x T values per head, and the fast kernels of plain causal attention apply.
    """
    query, key = torch.zeros(n_heads, 1, WIDENING, dtype=torch.float64), torch.zeros(T, WIDENING, dtype=torch.float64)
    slope = torch.tensor(alibi_slopes(n_heads), dtype=torch.float64) * math.sqrt(head_dim)  # attention divides by it
    place = torch.arange(T)
    query[:, 0, 0], query[:, 0, 1] = slope * DIGIT, slope
    key[:, 0], key[:, 1] = place // DIGIT, place % DIGIT
    return query, key


def alibi_slopes(n_heads: int) -> list[float]:
    """Return the slope of each head: 2^(-8 i / n) for n heads, a power of two; else those of the next lower power

    and every other one of the next higher, as the authors' code has it.
    """
    lower = 2 ** int(math.log2(n_heads))
    slopes = [2 ** (-8 * i / lower) for i in range(1, lower + 1)]
    return slopes + [2 ** (-4 * i / lower) for i in range(1, 2 * (n_heads - lower), 2)]


def widen(x: Tensor, values: Tensor) -> Tensor:
    """Return x (batch, heads, T, head_dim) with `values` behind its last dimension."""
    return torch.cat((x, values.to(x.dtype).expand(*x.shape[:-1], -1)), dim=-1)
