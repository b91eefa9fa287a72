"""Training FLOPs per token, by part, under named conventions.

One multiply-add is 2 FLOPs and the backward pass costs twice the forward, so a weight in a matrix product costs 6 per
token. Which weights are meant and how attention scores are counted is the convention; it moves D between arms
by as much as the effect that is studied, so it is named in every record.
"""

from planners.errors import UsageError
from planners.shape import VOCABULARY_PARTS, Shape

STORED = ("exact", "li2025", "6nd")
"""Conventions that every record carries."""

ATTENTION_FACTOR = {"exact": 12, "causal": 6, "recompute": 14}
"""FLOPs of the attention scores per layer, head dimension and position of the context: 12 counts all T positions (two
products, forward and backward), 6 only those that a causal mask leaves, 14 adds the scores that flash attention
recomputes in its backward pass, which is what a FLOP counter sees."""

CONVENTIONS = (*ATTENTION_FACTOR, "li2025", "li2025+router", "6nd")


def flops_by_part(shape: Shape, seq_len: int, convention: str = "exact") -> dict[str, int]:
    """Return training FLOPs per token by part of the model, for sequences of `seq_len` tokens.

    - `exact`, `causal`, `recompute`: every matrix product, including router and head, plus attention scores at
      12, 6 or 14 * n_layers * n_heads * head_dim * seq_len. The embedding is a look-up and the norms are no products.
    - `li2025`: 6 * N_a + 12 * d_model * seq_len * n_layers, without vocabulary, norms and router (arXiv 2506.12119,
      appendix A); `li2025+router` counts the router, as some of its tables do.
    - `6nd`: 6 * N_a.

    Raises UsageError for an unknown convention.
    """
    active = shape.active_parts
    if convention in ATTENTION_FACTOR:
        head = shape.vocab_size * shape.d_model  # a tied head is a product too
        weights = {**active, "norms": 0, "embedding": 0, "head": head}
        scores = ATTENTION_FACTOR[convention] * shape.n_layers * shape.n_heads * shape.head_dim * seq_len
    elif convention in ("li2025", "li2025+router"):
        router = active["router"] if convention.endswith("router") else 0
        weights = {**active, "norms": 0, "router": router, **dict.fromkeys(VOCABULARY_PARTS, 0)}
        scores = 12 * shape.d_model * seq_len * shape.n_layers
    elif convention == "6nd":
        weights = {**active, **dict.fromkeys(VOCABULARY_PARTS, 0)}
        scores = 0
    else:
        raise UsageError(f"FLOPs convention {convention!r} is not one of {', '.join(CONVENTIONS)}")
    return {**{part: 6 * count for part, count in weights.items()}, "attention_scores": scores}


def flops_per_token(shape: Shape, seq_len: int, convention: str = "exact") -> int:
    """Return M, training FLOPs per token: the sum of `flops_by_part`."""
    return sum(flops_by_part(shape, seq_len, convention).values())
