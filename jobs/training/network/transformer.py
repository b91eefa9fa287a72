"""The pre-norm transformer that a `Shape` describes. Each layer has attention and a dense or an expert FFN."""

import hashlib
import math

import torch
from torch import Tensor, nn

from jobs.training.network.attention import Attention, Table, norm_of, position_table
from jobs.training.network.experts import Experts, FeedForward
from jobs.training.network.routing import Routing
from planners.architecture.shape import Shape
from planners.spec import Router


class Layer(nn.Module):
    """Attention, then a dense FFN or experts; each reads a norm of the residual stream and is added to it."""

    def __init__(self, shape: Shape, settings: Router, moe: bool):
        super().__init__()
        self.attention_norm = norm_of(shape, shape.d_model)
        self.attention = Attention(shape)
        self.ffn_norm = norm_of(shape, shape.d_model)
        self.ffn: Experts | FeedForward
        self.ffn = Experts(shape, settings) if moe else FeedForward(shape, shape.d_ff, shape.ffn_bias)

    def forward(
        self, x: Tensor, table: Table | None, batch: int, roles: Tensor | None = None
    ) -> tuple[Tensor, Routing | None]:
        """Return the new residual stream, shape of x (batch * T, d_model), and the routing of an MoE layer.

        `roles` (batch * T, n_experts) is added to the router's logits.
        """
        x = x + self.attention(self.attention_norm(x), table, batch)
        y = self.ffn_norm(x)
        if isinstance(self.ffn, Experts):
            y, routing = self.ffn(y, roles)
            return x + y, routing
        return x + self.ffn(y), None


class Transformer(nn.Module):
    """The model of a `Shape`; its parameter count is `shape.total` exactly."""

    roles: Tensor | None
    """(domains, n_experts) added to the logits of the routers; None where experts belong to no domain."""

    def __init__(self, shape: Shape, settings: Router | None = None):
        super().__init__()
        settings = settings or Router()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocab_size, shape.d_model)
        if shape.positions == "learned":
            self.positions = nn.Embedding(shape.max_positions, shape.d_model)
        if shape.domains:
            self.domains = nn.Embedding(shape.domains, shape.d_model)
        has_roles = settings.roles and not shape.is_dense
        logits = role_logits(settings, shape.n_experts) if has_roles else None
        self.register_buffer("roles", logits, persistent=False)
        self.layers = nn.ModuleList(
            Layer(shape, settings, shape.is_moe_layer(index)) for index in range(shape.n_layers)
        )
        self.norm = norm_of(shape, shape.d_model)
        self.head = nn.Linear(shape.d_model, shape.vocab_size, bias=False)
        if shape.tied_embeddings:
            self.head.weight = self.embedding.weight
        self._table: Table | None = None
        self._table_of: tuple[int, torch.device] | None = None

    def forward(self, tokens: Tensor, domains: Tensor | None = None) -> tuple[Tensor, list[Routing]]:
        """Return logits of shape (batch, T, vocab_size) for tokens (batch, T), and the routing of each MoE layer."""
        x, routings = self.hidden(tokens, domains)
        return self.head(x), routings

    def hidden(self, tokens: Tensor, domains: Tensor | None = None) -> tuple[Tensor, list[Routing]]:
        """Return the input of the head, (batch, T, d_model), for tokens (batch, T), and the routings of MoE layers.

        `domains` (batch,) are the numbers of the domains; a model that is not told its domain ignores them.
        """
        batch, T = tokens.shape
        x, table, routings = self.embedding(tokens), self.table(T, tokens.device), []
        if self.shape.positions == "learned":
            x = x + self.positions.weight[:T]
        if self.shape.domains:
            x = x + self.domains(_known(domains)).unsqueeze(1)
        logits = None if self.roles is None else self.roles[_known(domains)].repeat_interleave(T, 0)
        x = x.flatten(0, 1)  # layers of two dimensions save autograd a view around every product: 2 % of a small step
        for layer in self.layers:
            x, routing = layer(x, table, batch, logits)
            if routing is not None:
                routings.append(routing)
        return self.norm(x).view(batch, T, -1), routings

    def table(self, T: int, device: torch.device) -> Table | None:
        """Return the position table for T positions; the latest one is cached."""
        wanted = T, device
        if self._table_of != wanted:
            self._table = position_table(self.shape, T, device, self.embedding.weight.dtype)
            self._table_of = wanted
        return self._table

    def initialise(self, seed: int) -> None:
        """Draw all weights from `seed` and each weight's name, so that arms of one seed share equal initial weights.

        A matrix has standard deviation 1 / sqrt(inputs); one that writes to the residual stream has
        1 / sqrt(2 n_layers) of that. The embedding has 1, because a row is looked up (one input), unless the head
        shares it. With 0.02 for the embedding, the output of the first layers drowns the token: that cost 0.2 nats at
        0.3M parameters and C = 1e11, and nothing visible at 1e12 (LOG.md). Norms are 1 and biases 0.
        """
        with torch.no_grad():
            for name, weight in self.named_parameters():
                if not is_matrix(name, weight):
                    weight.fill_(0.0 if name.endswith("bias") else 1.0)
                    continue
                generator = torch.Generator("cpu").manual_seed(_seed_of(seed, name))
                # Experts are drawn as (in, out), the layout they had at first, so that initial weights stay the same.
                drawn = weight.mT if weight.dim() == 3 else weight
                drawn.copy_(torch.empty(drawn.shape).normal_(0.0, self._deviation(name, weight), generator=generator))

    def _deviation(self, name: str, weight: Tensor) -> float:
        if name.startswith(("embedding", "positions", "domains")) and not self.shape.tied_embeddings:
            return 1.0
        inputs = weight.shape[-1]  # (out, in) of a Linear, (n_experts, out, in) of stacked experts
        residual = name.endswith(("o_proj.weight", "down_proj.weight", "down_proj"))
        return 1 / math.sqrt(inputs * (2 * self.shape.n_layers if residual else 1))


def role_logits(settings: Router, n_experts: int) -> Tensor:
    """Return what roles add to the logits, (domains, n_experts): each domain has its experts, a remainder has none."""
    own = n_experts // settings.domains
    owner = torch.arange(n_experts) // own
    mine = owner == torch.arange(settings.domains).unsqueeze(1)
    return settings.roles * (mine | (owner >= settings.domains)).float()


def _known(domains: Tensor | None) -> Tensor:
    """Return the domains. Raises ValueError if a model that uses them was not given any."""
    if domains is None:
        raise ValueError("this model is told the domain of each window, so it needs `domains`")
    return domains


DRAWN_AS = {"up_proj": "rise", "down_proj": "fall", "o_proj": "fall"}
"""Names under which weights are drawn, from engine 2: other names would give other initial weights."""


def is_matrix(name: str, weight: Tensor) -> bool:
    """Return whether a parameter is a weight matrix, to which weight decay applies; norms and biases are not."""
    return weight.dim() > 1 and not name.endswith("bias")


def _seed_of(seed: int, name: str) -> int:
    for present, drawn_as in DRAWN_AS.items():
        name = name.replace(present, drawn_as)
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:8], "big") >> 1
