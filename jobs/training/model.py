"""The decoder that a `Shape` describes: pre-norm RMSNorm, rotary positions, causal attention, dense or expert FFN."""

import hashlib
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jobs.training.experts import Experts, FeedForward
from jobs.training.routing import Routing
from planners.shape import Shape
from planners.spec import Router

ROTARY_BASE = 10_000.0


class Attention(nn.Module):
    """Causal self-attention with rotary positions (arXiv 2104.09864); fewer key-value heads share among queries."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.n_heads, self.n_kv_heads, self.head_dim = shape.n_heads, shape.n_kv_heads, shape.head_dim
        width = (shape.n_heads + 2 * shape.n_kv_heads) * shape.head_dim
        self.query_key_value = nn.Linear(shape.d_model, width, bias=False)
        self.fall = nn.Linear(shape.n_heads * shape.head_dim, shape.d_model, bias=False)

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
        """Return the attended values, shape of x (batch, T, d_model)."""
        batch, T, _ = x.shape
        heads = self.query_key_value(x).view(batch, T, -1, self.head_dim).transpose(1, 2)  # (batch, heads, T, head_dim)
        query, key, value = heads.split([self.n_heads, self.n_kv_heads, self.n_kv_heads], dim=1)
        query, key = rotate(query, rotation), rotate(key, rotation)
        y = F.scaled_dot_product_attention(
            query, key, value, is_causal=True, enable_gqa=self.n_heads != self.n_kv_heads
        )
        attended: Tensor = self.fall(y.transpose(1, 2).reshape(batch, T, -1))
        return attended


class Layer(nn.Module):
    """Attention, then a dense FFN or experts, each behind a norm and added to the residual stream."""

    def __init__(self, shape: Shape, settings: Router, moe: bool):
        super().__init__()
        self.attention_norm = nn.RMSNorm(shape.d_model, eps=1e-6)
        self.attention = Attention(shape)
        self.ffn_norm = nn.RMSNorm(shape.d_model, eps=1e-6)
        self.ffn: Experts | FeedForward
        self.ffn = Experts(shape, settings) if moe else FeedForward(shape.d_model, shape.d_ff, shape.ffn == "swiglu")

    def forward(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> tuple[Tensor, Routing | None]:
        """Return the new residual stream, shape of x, and the routing where there are experts."""
        x = x + self.attention(self.attention_norm(x), rotation)
        y = self.ffn(self.ffn_norm(x))
        if isinstance(y, tuple):
            return x + y[0], y[1]
        return x + y, None


class Transformer(nn.Module):
    """The model of a `Shape`; its parameter count is `shape.total` exactly."""

    def __init__(self, shape: Shape, settings: Router | None = None):
        super().__init__()
        settings = settings or Router()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocab_size, shape.d_model)
        self.layers = nn.ModuleList(
            Layer(shape, settings, moe=index >= shape.n_dense_layers) for index in range(shape.n_layers)
        )
        self.norm = nn.RMSNorm(shape.d_model, eps=1e-6)
        self.head = nn.Linear(shape.d_model, shape.vocab_size, bias=False)
        if shape.tied_embeddings:
            self.head.weight = self.embedding.weight
        self._rotation: tuple[Tensor, Tensor] | None = None

    def forward(self, tokens: Tensor) -> tuple[Tensor, list[Routing]]:
        """Return logits of shape (batch, T, vocab_size) for tokens (batch, T), and the routing of each MoE layer."""
        x, routings = self.hidden(tokens)
        return self.head(x), routings

    def hidden(self, tokens: Tensor) -> tuple[Tensor, list[Routing]]:
        """Return what the head reads, shape (batch, T, d_model), for tokens (batch, T), and the routings."""
        rotation = self.rotation(tokens.shape[1], tokens.device)
        x, routings = self.embedding(tokens), []
        for layer in self.layers:
            x, routing = layer(x, rotation)
            if routing is not None:
                routings.append(routing)
        return self.norm(x), routings

    def rotation(self, T: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return cosine and sine of the rotary angles, each (T, head_dim), kept from call to call."""
        if self._rotation is None or self._rotation[0].shape[0] != T or self._rotation[0].device != device:
            half = torch.arange(0, self.shape.head_dim, 2, device=device, dtype=torch.float64) / self.shape.head_dim
            angles = torch.outer(torch.arange(T, device=device, dtype=torch.float64), ROTARY_BASE**-half).repeat(1, 2)
            dtype = self.embedding.weight.dtype
            self._rotation = angles.cos().to(dtype), angles.sin().to(dtype)
        return self._rotation

    def initialise(self, seed: int) -> None:
        """Fill all weights from `seed` and each weight's name, so that arms of one seed share what they have in common.

        Matrices have standard deviation 1 / sqrt(inputs), those that write to the residual stream
        1 / sqrt(2 n_layers) of that; embedding and head 0.02; norms are 1.
        """
        with torch.no_grad():
            for name, weight in self.named_parameters():
                if weight.dim() == 1:
                    weight.fill_(1.0)
                    continue
                generator = torch.Generator("cpu").manual_seed(_seed_of(seed, name))
                values = torch.empty(weight.shape).normal_(0.0, self._deviation(name, weight), generator=generator)
                weight.copy_(values)

    def _deviation(self, name: str, weight: Tensor) -> float:
        if name.startswith(("embedding", "head")):
            return 0.02
        inputs = weight.shape[1]  # (out, in) of a Linear and (n_experts, in, out) of stacked experts alike
        residual = "fall" in name
        return 1 / math.sqrt(inputs * (2 * self.shape.n_layers if residual else 1))


def rotate(x: Tensor, rotation: tuple[Tensor, Tensor]) -> Tensor:
    """Return x (batch, heads, T, head_dim) with each pair of dimensions (i, i + head_dim / 2) turned by position."""
    cosine, sine = rotation
    first, second = x.chunk(2, dim=-1)
    return (x * cosine + torch.cat((-second, first), dim=-1) * sine).to(x.dtype)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss in nats per token, in float32."""
    return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


def _seed_of(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big") >> 1
