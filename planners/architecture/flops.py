"""FLOPs per token, by part, under named conventions.

One multiply-add is 2 FLOPs and the backward pass costs twice the forward, so a weight in a matrix product costs 6 per
token in training. Which weights are meant and how attention scores are counted is the convention; it moves D between
arms by as much as the effect that is studied, so it is named in every record.
"""

from planners.architecture.shape import Shape
from planners.records.errors import UsageError

STORED = ("exact", "li2025", "6nd")
"""Conventions that every record carries."""

SCORES = {"exact": (2, 2, 4, 4), "causal": (1, 1, 2, 2), "recompute": (2, 2, 6, 4)}
"""FLOPs per position of the context and unit of width: forward of the scores (keys) and of their use (values), then
backward of both. `exact` counts all T positions, `causal` half of them, which is what a causal mask leaves, and
`recompute` all and the scores that flash attention computes again in its backward pass (arXiv 2205.14135), which is
what a FLOP counter sees. With keys as wide as values that is 12, 6 and 14 per head dimension."""

CONVENTIONS = (*SCORES, "li2025", "li2025+router", "6nd")


def flops_by_part(shape: Shape, seq_len: int, convention: str = "exact", *, forward: bool = False) -> dict[str, int]:
    """Return FLOPs per token of training, or of the forward pass alone, by part, for sequences of `seq_len` tokens.

    - `exact`, `causal`, `recompute`: every matrix product, including router and head, plus attention scores at
      12, 6 or 14 * n_layers * n_heads * head_dim * seq_len. The embedding is a look-up; norms, biases and positions are
      no products. An encoder has no causal mask, so `causal` is `exact` for it; windows are not discounted.
    - `li2025`: 6 * N_a + 12 * d_model * seq_len * n_layers, without vocabulary, norms, biases, positions and router
      (arXiv 2506.12119, appendix A); `li2025+router` counts the router, as some of its tables do.
    - `6nd`: 6 * N_a, all of it.

    The forward pass is a third of each; that of `recompute` is that of `exact`, as it recomputes in the backward pass.
    Raises UsageError for an unknown convention.
    """
    weights, scores = _counted(shape, convention)
    key, value, key_backward, value_backward = scores
    if not forward:
        key, value = key + key_backward, value + value_backward
    widths = shape.score_widths if convention in SCORES else (shape.n_layers * shape.d_model,) * 2
    by_part = {part: (2 if forward else 6) * count for part, count in weights.items()}
    return {**by_part, "attention_scores": seq_len * (key * widths[0] + value * widths[1])}


def flops_per_token(shape: Shape, seq_len: int, convention: str = "exact", *, forward: bool = False) -> int:
    """Return M, training FLOPs per token, or those of the forward pass: the sum of `flops_by_part`."""
    return sum(flops_by_part(shape, seq_len, convention, forward=forward).values())


def _counted(shape: Shape, convention: str) -> tuple[dict[str, int], tuple[int, ...]]:
    """Return what a convention counts: weights by part, and FLOPs of the scores as in `SCORES`."""
    if convention in SCORES:
        name = "exact" if convention == "causal" and not shape.causal else convention
        return shape.products, SCORES[name]
    if convention in ("li2025", "li2025+router"):
        left_out = ("head",) if convention.endswith("router") else ("head", "router")
        return {**shape.products, **dict.fromkeys(left_out, 0)}, SCORES["exact"]
    if convention == "6nd":
        return {**shape.active_parts, "embedding": 0, "head": 0}, (0, 0, 0, 0)
    raise UsageError(f"FLOPs convention {convention!r} is not one of {', '.join(CONVENTIONS)}")
