"""Architecture numbers of a decoder language model, dense or mixture of experts (MoE), and its parameter counts.

Closed forms only, no torch. The tests build the real model on the meta device and compare.
"""

from dataclasses import dataclass
from functools import cached_property

from planners.errors import UsageError

FFN_MATRICES = {"swiglu": 3, "gelu": 2}
"""Weight matrices of a feed-forward network: gate, up and down (arXiv 2002.05202), or up and down."""

VOCABULARY_PARTS = ("embedding", "head")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A pre-norm decoder: RMSNorm, rotary positions, causal attention, no biases.

    The first `n_dense_layers` layers have a dense FFN; each layer after them has `n_experts` routed experts, of which a
    token passes through `top_k`, and one shared expert that every token passes through (arXiv 2506.12119, section 3).
    Raises UsageError for sizes that no model can have.
    """

    d_model: int
    """Width of the residual stream."""
    n_layers: int
    """All layers, dense and MoE."""
    n_dense_layers: int
    """Leading layers with a dense FFN; a dense model has `n_layers` of them."""
    n_heads: int
    """Query heads."""
    n_kv_heads: int
    """Key and value heads; fewer than `n_heads` is grouped-query attention (arXiv 2305.13245)."""
    head_dim: int
    """Width of one head; even, for the rotary positions."""
    d_ff: int
    """Hidden width of a dense FFN."""
    n_experts: int = 0
    """Routed experts per MoE layer; 0 for a dense model."""
    top_k: int = 0
    """Routed experts per token, K."""
    d_expert: int = 0
    """Hidden width of one routed expert."""
    d_shared: int = 0
    """Hidden width of the shared expert; 0: none."""
    vocab_size: int
    """Tokens in the vocabulary."""
    tied_embeddings: bool = False
    """Whether the head reuses the embedding matrix."""
    ffn: str = "swiglu"
    """Kind of FFN and expert: swiglu or gelu."""

    def __post_init__(self) -> None:
        for name in ("d_model", "n_layers", "n_heads", "n_kv_heads", "head_dim", "d_ff", "vocab_size"):
            _require(getattr(self, name) >= 1, f"{name} {getattr(self, name)} must be at least 1")
        _require(self.ffn in FFN_MATRICES, f"ffn {self.ffn!r} is not one of {', '.join(FFN_MATRICES)}")
        _require(self.head_dim % 2 == 0, f"head_dim {self.head_dim} must be even for rotary positions")
        _require(self.n_heads % self.n_kv_heads == 0, f"n_heads {self.n_heads} is no multiple of {self.n_kv_heads}")
        _require(0 <= self.n_dense_layers <= self.n_layers, f"n_dense_layers {self.n_dense_layers} is out of range")
        if self.n_moe_layers:
            _require(self.d_expert >= 1, f"d_expert {self.d_expert} must be at least 1 where there are experts")
            _require(
                1 <= self.top_k <= self.n_experts,
                f"top_k {self.top_k} must be between 1 and n_experts {self.n_experts}",
            )
        else:
            unused = (self.n_experts, self.top_k, self.d_expert, self.d_shared)
            _require(unused == (0, 0, 0, 0), "a model without MoE layers has n_experts, top_k, d_expert, d_shared 0")

    @property
    def is_dense(self) -> bool:
        """Whether the model has no MoE layer."""
        return self.n_moe_layers == 0

    @property
    def n_moe_layers(self) -> int:
        """Layers with experts."""
        return self.n_layers - self.n_dense_layers

    @property
    def expert_parameters(self) -> int:
        """Parameters of one routed expert."""
        return FFN_MATRICES[self.ffn] * self.d_model * self.d_expert

    @cached_property
    def parts(self) -> dict[str, int]:
        """Parameters by part; they sum to `total`.

        Attention is the query, key, value and output projections; there are two norms a layer and one at the end.
        """
        matrices, moe = FFN_MATRICES[self.ffn] * self.d_model, self.n_moe_layers
        return {
            "attention": 2 * self.n_layers * self.d_model * self.head_dim * (self.n_heads + self.n_kv_heads),
            "dense_ffn": self.n_dense_layers * matrices * self.d_ff,
            "routed_experts": moe * self.n_experts * self.expert_parameters,
            "shared_expert": moe * matrices * self.d_shared,
            "router": moe * self.d_model * self.n_experts,
            "norms": (2 * self.n_layers + 1) * self.d_model,
            "embedding": self.vocab_size * self.d_model,
            "head": 0 if self.tied_embeddings else self.vocab_size * self.d_model,
        }

    @cached_property
    def active_parts(self) -> dict[str, int]:
        """Parameters that one token uses, by part: all but the experts it is not routed to."""
        return {**self.parts, "routed_experts": self.n_moe_layers * self.top_k * self.expert_parameters}

    @property
    def N_vocab(self) -> int:
        """Parameters of the vocabulary: embedding and head."""
        return sum(self.parts[part] for part in VOCABULARY_PARTS)

    @property
    def N(self) -> int:
        """Parameters except the vocabulary; router and norms are included."""
        return self.total - self.N_vocab

    @property
    def N_a(self) -> int:
        """Active parameters except the vocabulary: N - (n_experts - top_k) * (one expert) * (MoE layers)."""
        return self.active - self.N_vocab

    @property
    def total(self) -> int:
        """All parameters: N + N_vocab, what a model card states."""
        return sum(self.parts.values())

    @property
    def active(self) -> int:
        """All active parameters: N_a + N_vocab."""
        return sum(self.active_parts.values())

    @property
    def r_a(self) -> float:
        """Activation rate N_a / N, of parameters and not of experts; 1 for a dense model."""
        return self.N_a / self.N

    @property
    def A_e(self) -> float | None:
        """Share of experts active, (K + s) / (n_experts + s); s is the shared expert in units of routed ones."""
        if self.is_dense:
            return None
        shared = self.d_shared / self.d_expert
        return (self.top_k + shared) / (self.n_experts + shared)

    @property
    def mu(self) -> float | None:
        """Total FFN width of an MoE layer over d_model: (d_shared + n_experts * d_expert) / d_model."""
        return None if self.is_dense else (self.d_shared + self.n_experts * self.d_expert) / self.d_model

    @property
    def zeta(self) -> float:
        """Width over depth, d_model / n_layers."""
        return self.d_model / self.n_layers

    @property
    def granularity(self) -> float | None:
        """d_ff of this model's dense FFN over d_expert (after arXiv 2402.07871, with D_ffn of 2506.12119)."""
        return None if self.is_dense else self.d_ff / self.d_expert


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise UsageError(sentence)
