"""Architecture numbers of a decoder language model, dense or mixture of experts (MoE), and its parameter counts.

Closed forms only, no torch. The tests build the real model on the meta device and compare.
"""

from dataclasses import dataclass
from functools import cached_property

from planners.records.errors import UsageError

FFN_MATRICES = {"swiglu": 3, "gelu": 2}
"""Weight matrices of a feed-forward network: gate, up and down (arXiv 2002.05202), or up and down."""

VOCABULARY_PARTS = ("embedding", "head")

NORM_VECTORS = {"rmsnorm": 1, "layernorm": 2}
"""Vectors of a norm: a weight (arXiv 1910.07467), or a weight and a bias (arXiv 1607.06450)."""

LARGEST = 10**9
"""Largest accepted size. A typing error beyond it would overflow the numbers computed from it."""

LEAST = {
    **dict.fromkeys(("d_model", "n_layers", "n_heads", "n_kv_heads", "head_dim", "d_ff", "vocab_size", "moe_every"), 1),
    **dict.fromkeys(("n_dense_layers", "n_experts", "top_k", "d_expert", "d_shared", "max_positions", "domains"), 0),
}
"""Sizes, each with its smallest value."""

CHOICES = {
    "ffn": tuple(FFN_MATRICES),
    "norm": tuple(NORM_VECTORS),
    "positions": ("rope", "alibi", "learned", "none"),
    "attention_bias": ("none", "qkv", "all"),
    "qk_norm": ("none", "head", "full"),
}
"""Fields that have one of a few values."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A pre-norm transformer; by default a decoder with RMSNorm, rotary positions and without biases.

    The first `n_dense_layers` layers have a dense FFN. Each layer after them (or each `moe_every`-th) has `n_experts`
    routed experts and a shared one (arXiv 2506.12119, section 3). A token passes through `top_k` of the routed experts
    and through the shared one. Raises UsageError for sizes that no model can have.
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
    """Width of one head; even where positions are rotary."""
    d_ff: int
    """Hidden width of a dense FFN; where no layer is dense it only serves `granularity`."""
    n_experts: int = 0
    """Routed experts per MoE layer; 0 for a dense model."""
    top_k: int = 0
    """Routed experts per token, K."""
    d_expert: int = 0
    """Hidden width of one routed expert."""
    d_shared: int = 0
    """Hidden width of the shared expert; 0: no shared expert."""
    vocab_size: int
    """Tokens in the vocabulary."""
    tied_embeddings: bool = False
    """Whether the head uses the embedding matrix."""
    ffn: str = "swiglu"
    """Kind of FFN and expert: swiglu or gelu."""
    norm: str = "rmsnorm"
    """Kind of all norms: rmsnorm, or layernorm with its bias."""
    positions: str = "rope"
    """rope (arXiv 2104.09864), alibi (arXiv 2108.12409), learned (a vector added per position), or none."""
    max_positions: int = 0
    """Rows of the learned positions, which is the longest sequence; 0 for other kinds of positions."""
    attention_bias: str = "none"
    """Biases of the attention projections: none, qkv, or all (the output projection too)."""
    ffn_bias: bool = False
    """Whether the matrices of a dense FFN have biases."""
    expert_bias: bool = False
    """Whether the matrices of routed and shared experts have biases."""
    moe_every: int = 1
    """After the leading dense layers, the last of each group of this many layers has experts, the others do not."""
    qk_norm: str = "none"
    """Norm of queries and keys: none, head (over each head, one weight for all), or full (the whole projection)."""
    shared_gate: bool = False
    """Whether the output of the shared expert is scaled by a sigmoid of a projection d_model -> 1 (as in Qwen2-MoE)."""
    causal: bool = True
    """Whether a position sees only earlier ones. False is an encoder, which is trained on masked tokens."""
    domains: int = 0
    """Vectors that tell the model which domain a window is of: one is added to every token; 0: it is not told."""

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            size = getattr(self, name)
            if not least <= size <= LARGEST:
                shown = size if abs(size) < 10**18 else "beyond 1e18"
                raise UsageError(f"{name} {shown} must be between {least} and {LARGEST:g}")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise UsageError(f"{name} {getattr(self, name)!r} is not one of {', '.join(choices)}")
        if self.n_heads % self.n_kv_heads:
            raise UsageError(f"n_heads {self.n_heads} is not a multiple of n_kv_heads {self.n_kv_heads}")
        if self.n_dense_layers > self.n_layers:
            raise UsageError(f"n_dense_layers {self.n_dense_layers} is more than n_layers {self.n_layers}")
        self._check_positions()
        self._check_experts()

    def _check_positions(self) -> None:
        learned = self.positions == "learned"
        if learned and not self.max_positions:
            raise UsageError("learned positions need max_positions, the number of their rows")
        if self.max_positions and not learned:
            raise UsageError(
                f"max_positions {self.max_positions} is only for learned positions, not for {self.positions}"
            )
        if self.positions == "rope" and self.head_dim % 2:
            raise UsageError(f"head_dim {self.head_dim} must be even for rotary positions")

    def _check_experts(self) -> None:
        if self.is_dense:
            for name in ("n_experts", "top_k", "d_expert", "d_shared", "expert_bias", "shared_gate"):
                if getattr(self, name):
                    raise UsageError(f"{name} {getattr(self, name)} is only for a model with MoE layers")
            if self.moe_every > 1:
                raise UsageError(f"moe_every {self.moe_every} leaves no MoE layer among {self.n_layers}")
        elif not self.d_expert:
            raise UsageError("d_expert 0 must be at least 1 where there are experts")
        elif not 1 <= self.top_k <= self.n_experts:
            raise UsageError(f"top_k {self.top_k} must be between 1 and n_experts {self.n_experts}")
        elif self.shared_gate and not self.d_shared:
            raise UsageError("shared_gate is only for a model with a shared expert")

    @property
    def is_dense(self) -> bool:
        """Whether the model has no MoE layer."""
        return self.n_moe_layers == 0

    @property
    def n_moe_layers(self) -> int:
        """Layers with experts: one in each whole group of `moe_every` layers after the leading dense ones."""
        return (self.n_layers - self.n_dense_layers) // self.moe_every

    def is_moe_layer(self, index: int) -> bool:
        """Whether layer `index`, counted from 0, has experts."""
        after = index - self.n_dense_layers + 1
        return after > 0 and after % self.moe_every == 0

    @property
    def expert_parameters(self) -> int:
        """Parameters of one routed expert."""
        return self._ffn_parameters(self.d_expert, self.expert_bias)

    def _ffn_parameters(self, width: int, biased: bool) -> int:
        """Return the parameters of one FFN: its matrices and, if `biased`, a bias for each hidden and output unit."""
        matrices = FFN_MATRICES[self.ffn]
        return matrices * self.d_model * width + biased * ((matrices - 1) * width + self.d_model)

    @cached_property
    def parts(self) -> dict[str, int]:
        """Parameters by part; they sum to `total`.

        Attention is the query, key, value and output projections. There are two norms in each layer and one at the end;
        norms of queries and keys count as norms. The gate of the shared expert counts as shared expert.
        """
        moe = self.n_moe_layers
        shared = self._ffn_parameters(self.d_shared, self.expert_bias) if self.d_shared else 0
        return {
            "attention": self._attention_products + self.n_layers * self._attention_biases,
            "dense_ffn": (self.n_layers - moe) * self._ffn_parameters(self.d_ff, self.ffn_bias),
            "routed_experts": moe * self.n_experts * self.expert_parameters,
            "shared_expert": moe * (shared + self.shared_gate * self.d_model),
            "router": moe * self.d_model * self.n_experts,
            "norms": self._norms,
            "embedding": self.vocab_size * self.d_model,
            "head": 0 if self.tied_embeddings else self.vocab_size * self.d_model,
            "positions": self.max_positions * self.d_model,
            **({"domains": self.domains * self.d_model} if self.domains else {}),
        }

    @property
    def _attention_products(self) -> int:
        """Weights of all query, key, value and output projections."""
        return 2 * self.n_layers * self.d_model * self.head_dim * (self.n_heads + self.n_kv_heads)

    @property
    def _attention_biases(self) -> int:
        """Biases of the attention of one layer."""
        inner = {"none": 0, "qkv": 1, "all": 1}[self.attention_bias] * self.head_dim
        return inner * (self.n_heads + 2 * self.n_kv_heads) + (self.attention_bias == "all") * self.d_model

    @property
    def _norms(self) -> int:
        """Parameters of all norms."""
        heads = {"none": 0, "head": 2, "full": self.n_heads + self.n_kv_heads}[self.qk_norm]
        widths = (2 * self.n_layers + 1) * self.d_model + self.n_layers * heads * self.head_dim
        return NORM_VECTORS[self.norm] * widths

    @cached_property
    def active_parts(self) -> dict[str, int]:
        """Parameters that one token uses, by part: all except the experts that it is not routed to."""
        return {**self.parts, "routed_experts": self.n_moe_layers * self.top_k * self.expert_parameters}

    @cached_property
    def products(self) -> dict[str, int]:
        """Weights in the matrix products that one token passes through, by part.

        These cost FLOPs. Biases, norms and look-ups are not products. A tied head is one, although it owns no weight.
        """
        moe, ffn = self.n_moe_layers, FFN_MATRICES[self.ffn] * self.d_model
        return {
            "attention": self._attention_products,
            "dense_ffn": (self.n_layers - moe) * ffn * self.d_ff,
            "routed_experts": moe * self.top_k * ffn * self.d_expert,
            "shared_expert": moe * (ffn * self.d_shared + self.shared_gate * self.d_model),
            "router": moe * self.d_model * self.n_experts,
            "norms": 0,
            "embedding": 0,
            "head": self.vocab_size * self.d_model,
            "positions": 0,
        }

    @property
    def score_widths(self) -> tuple[int, int]:
        """Widths of keys and of values, summed over all layers and heads.

        For each position that a token sees, its scores are one product of the first width, and their use one of the
        second.
        """
        width = self.n_layers * self.n_heads * self.head_dim
        return width, width

    @property
    def N_vocab(self) -> int:
        """Parameters of the vocabulary: embedding and head."""
        return sum(self.parts[part] for part in VOCABULARY_PARTS)

    @property
    def N(self) -> int:
        """Parameters except the vocabulary; router, norms, biases and learned positions are included.

        For swiglu without biases, with n_heads * head_dim = d_model = n_kv_heads * head_dim, it is

            N = (4 + 3 mu) d_model^2 n_moe_layers + (4 + 3 d_ff / d_model) d_model^2 (n_layers - n_moe_layers)

        (arXiv 2506.12119, section 3), and the router and norms, which the paper leaves out.
        """
        return self.total - self.N_vocab

    @property
    def N_a(self) -> int:
        """Active parameters except the vocabulary: N - (n_experts - top_k) * (one expert) * (MoE layers).

        Attention, dense FFN, shared expert, router, norms and positions are always active (arXiv 2506.12119), so in
        the formula of N mu becomes beta = (d_shared + top_k * d_expert) / d_model.
        """
        return self.active - self.N_vocab

    @property
    def total(self) -> int:
        """All parameters: N + N_vocab, what a model card states; tied embeddings count once."""
        return sum(self.parts.values())

    @property
    def active(self) -> int:
        """All active parameters: N_a + N_vocab."""
        return sum(self.active_parts.values())

    @property
    def r_a(self) -> float:
        """Activation rate N_a / N, of parameters and not of experts; 1 for a dense model.

        Without dense layers, router and norms it is (4 + 3 beta) / (4 + 3 mu) (arXiv 2506.12119): attention is always
        active, so the rate is at least about 4 / (4 + 3 mu), however few experts a token uses.
        """
        return self.N_a / self.N

    @property
    def A_e(self) -> float | None:
        """Share of experts active, (K + s) / (n_experts + s); null for a dense model.

        s = d_shared / d_expert is the shared expert in units of routed ones (arXiv 2507.17702 counts both kinds).
        """
        if self.is_dense:
            return None
        shared = self.d_shared / self.d_expert
        return (self.top_k + shared) / (self.n_experts + shared)

    @property
    def mu(self) -> float | None:
        """Total FFN width of an MoE layer over d_model, (d_shared + n_experts * d_expert) / d_model.

        It fixes the size of an MoE layer at a given width (arXiv 2506.12119): with swiglu its experts have
        3 mu d_model^2 parameters, however many there are. Null for a dense model.
        """
        return None if self.is_dense else (self.d_shared + self.n_experts * self.d_expert) / self.d_model

    @property
    def zeta(self) -> float:
        """Width over depth, d_model / n_layers; dense layers count too (arXiv 2506.12119)."""
        return self.d_model / self.n_layers

    @property
    def granularity(self) -> float | None:
        """d_ff of this model's dense FFN over d_expert (after arXiv 2402.07871, with D_ffn of 2506.12119).

        Where no layer is dense, d_ff has no other use. Null for a dense model.
        """
        return None if self.is_dense else self.d_ff / self.d_expert
