"""Self-attention with rotary positions, with ALiBi (a penalty that grows with distance), or without positions."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from planners.architecture.shape import Shape

ROTARY_BASE = 10_000.0
DIGIT = 256
"""ALiBi's positions are split into two digits of this base, because bf16 is exact for integers up to 256 only."""
WIDENING = 8
"""Dimensions that ALiBi adds to a head: two are used, and GPU kernels need multiples of 8."""

Table = tuple[Tensor, Tensor]
"""Position table: cosines and sines (rotary), or extra dimensions of queries and keys (ALiBi)."""


class Attention(nn.Module):
    """Multi-head attention, causal if the shape is; query heads can share key-value heads (arXiv 2305.13245)."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.n_heads, self.n_kv_heads, self.head_dim = shape.n_heads, shape.n_kv_heads, shape.head_dim
        self.positions, self.causal = shape.positions, shape.causal
        self.widths = [n * shape.head_dim for n in (shape.n_heads, shape.n_kv_heads, shape.n_kv_heads)]
        self.query_key_value = nn.Linear(shape.d_model, sum(self.widths), bias=shape.attention_bias != "none")
        self.o_proj = nn.Linear(self.widths[0], shape.d_model, bias=shape.attention_bias == "all")
        self.query_norm = self.key_norm = None
        if shape.qk_norm != "none":
            per_head = shape.qk_norm == "head"
            self.query_norm, self.key_norm = (
                norm_of(shape, shape.head_dim if per_head else width) for width in self.widths[:2]
            )

    def forward(self, x: Tensor, table: Table | None, batch: int) -> Tensor:
        """Return the attended values, shape of x (batch * T, d_model); `table` comes from `position_table`."""
        projected = self.query_key_value(x)
        if self.query_norm is not None and self.key_norm is not None:
            query, key, value = projected.split(self.widths, dim=-1)
            projected = torch.cat((over_last(self.query_norm, query), over_last(self.key_norm, key), value), dim=-1)
        heads = projected.view(batch, len(x) // batch, -1, self.head_dim).transpose(1, 2)  # (batch, heads, T, head_dim)
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
        attended: Tensor = self.o_proj(y[..., : self.head_dim].transpose(1, 2).reshape(len(x), -1))
        return attended


def norm_of(shape: Shape, width: int) -> nn.RMSNorm | nn.LayerNorm:
    """Return the norm layer of `shape`: RMSNorm (arXiv 1910.07467) or LayerNorm (1607.06450)."""
    return nn.RMSNorm(width, eps=1e-6) if shape.norm == "rmsnorm" else nn.LayerNorm(width, eps=1e-5)


def over_last(norm: nn.RMSNorm | nn.LayerNorm, x: Tensor) -> Tensor:
    """Return x (tokens, width), normed in pieces as wide as the norm's weight: the whole width or head by head."""
    normed: Tensor = norm(x.to(norm.weight.dtype).view(len(x), -1, norm.weight.shape[0]))
    return normed.flatten(1)


def position_table(shape: Shape, T: int, device: torch.device, dtype: torch.dtype) -> Table | None:
    """Return the position table of `shape` for positions 0 … T-1; None if its attention does not use one."""
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

    The sines of the first half are negative, so that `rotate` adds in both halves.
    """
    half = torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim
    angles = torch.outer(torch.arange(T, dtype=torch.float64), ROTARY_BASE**-half)
    return angles.cos().repeat(1, 2), torch.cat((-angles.sin(), angles.sin()), dim=1)


def rotate(x: Tensor, table: Table) -> Tensor:
    """Return x (batch, heads, T, head_dim) with each pair of dimensions (i, i + head_dim / 2) rotated by position."""
    cosine, sine = table
    return (x * cosine + x.roll(x.shape[-1] // 2, -1) * sine).to(x.dtype)


def alibi_table(n_heads: int, head_dim: int, T: int) -> Table:
    """Return the extra dimensions of queries (n_heads, 1, WIDENING) and keys (T, WIDENING) that implement ALiBi.

    ALiBi (arXiv 2108.12409) adds -slope * (i - j) to the score of query i and key j. A softmax over j ignores terms
    that do not depend on j, so slope * j remains: the product of one extra dimension of query and key. This needs no
    bias of T x T values per head, and the fast kernels of plain causal attention apply.
    """
    query, key = torch.zeros(n_heads, 1, WIDENING, dtype=torch.float64), torch.zeros(T, WIDENING, dtype=torch.float64)
    slope = torch.tensor(alibi_slopes(n_heads), dtype=torch.float64) * math.sqrt(head_dim)  # attention divides by it
    place = torch.arange(T)
    query[:, 0, 0], query[:, 0, 1] = slope * DIGIT, slope
    key[:, 0], key[:, 1] = place // DIGIT, place % DIGIT
    return query, key


def alibi_slopes(n_heads: int) -> list[float]:
    """Return ALiBi's slope of each head: 2^(-8 i / n) if the number n of heads is a power of two.

    Otherwise, as in the authors' code: the slopes of the next lower power of two, then every other one of the next
    higher power.
    """
    lower = 2 ** int(math.log2(n_heads))
    slopes = [2 ** (-8 * i / lower) for i in range(1, lower + 1)]
    return slopes + [2 ** (-4 * i / lower) for i in range(1, 2 * (n_heads - lower), 2)]


def widen(x: Tensor, values: Tensor) -> Tensor:
    """Return x (batch, heads, T, head_dim) with `values` appended to its last dimension."""
    return torch.cat((x, values.to(x.dtype).expand(*x.shape[:-1], -1)), dim=-1)
