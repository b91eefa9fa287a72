"""FLOPs per token and parameter counts, by part, under named conventions.

One multiply-add is 2 FLOPs and the backward pass costs twice the forward pass, so a weight in a matrix product costs
6 FLOPs per token in training. A convention says which weights count and how attention scores count. It moves D between
arms by as much as the effect under study, so every record names its convention.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from planners.architecture.shape import VOCABULARY_PARTS, Shape
from planners.records.registry import look_up

STORED = ("exact", "li2025", "6nd")
"""Conventions under which every record stores FLOPs per token."""


@dataclass(frozen=True, kw_only=True)
class Convention:
    """What a way of counting includes."""

    scores: tuple[int, int, int, int] = (2, 2, 4, 4)
    """FLOPs of attention per context position and unit of head width: forward of the scores (keys) and of their use
    (values), then backward of both."""
    square_heads: bool = False
    """Whether scores cost d_model per layer, whatever the widths of the heads."""
    excluded: tuple[str, ...] = ()
    """Parts of the model that cost no FLOPs and belong to no parameter count."""
    all_weights: bool = False
    """Whether every active parameter costs FLOPs (biases, norms), not only the weights of matrix products."""


CONVENTIONS: Mapping[str, Convention] = {
    "exact": Convention(),
    "causal": Convention(scores=(1, 1, 2, 2)),
    "recompute": Convention(scores=(2, 2, 6, 4)),
    "li2025": Convention(square_heads=True, excluded=(*VOCABULARY_PARTS, "norms", "router")),
    "li2025+router": Convention(square_heads=True, excluded=(*VOCABULARY_PARTS, "norms")),
    "6nd": Convention(scores=(0, 0, 0, 0), excluded=VOCABULARY_PARTS, all_weights=True),
}
"""Conventions by name.

- `exact`, `causal`, `recompute`: every matrix product, including router and head, and attention scores at 12, 6 or
  14 * n_layers * n_heads * head_dim * seq_len. `causal` counts the half of the positions that a causal mask leaves; an
  encoder has no such mask, so `causal` is `exact` for it. `recompute` adds the scores that flash attention computes
  again in its backward pass (arXiv 2205.14135): this is what a FLOP counter sees. Windows are not discounted.
- `li2025`: 6 * N_a + 12 * d_model * seq_len * n_layers, without vocabulary, norms, biases, positions and router
  (arXiv 2506.12119, appendix A); `li2025+router` counts the router, as some tables of that paper do.
- `6nd`: 6 * N_a.
"""


def flops_by_part(
    shape: Shape, seq_len: int, convention: str = "exact", *, forward: bool = False, targets: float | None = None
) -> dict[str, int]:
    """Return FLOPs per token by part, of training or of the forward pass alone, for sequences of `seq_len` tokens.

    `targets` is the number of predicted tokens of a sequence, to which alone the head is applied; null: all of them.

    The forward pass is a third of training; under `recompute` it equals that of `exact`, because the recomputation
    belongs to the backward pass. The embedding is a look-up and costs nothing. Raises UsageError for an unknown
    convention.

    >>> shape = make_plan(replace(preset("smoke"), data=None)).runs[0].shape
    >>> flops_by_part(shape, 128)["head"]
    135168
    """
    rules = look_up(CONVENTIONS, convention, "FLOPs convention")
    if convention == "causal" and not shape.causal:
        rules = CONVENTIONS["exact"]
    key, value, key_backward, value_backward = rules.scores
    if not forward:
        key, value = key + key_backward, value + value_backward
    keys, values = (shape.n_layers * shape.d_model,) * 2 if rules.square_heads else shape.score_widths
    weights = shape.active_parts if rules.all_weights else shape.products
    per_weight = 2 if forward else 6
    by_part = {part: 0 if part in rules.excluded else per_weight * count for part, count in weights.items()}
    if targets is not None:
        by_part["head"] = round(by_part["head"] * targets / seq_len)
    return {**by_part, "attention_scores": seq_len * (key * keys + value * values)}


def flops_per_token(
    shape: Shape, seq_len: int, convention: str = "exact", *, forward: bool = False, targets: float | None = None
) -> int:
    """Return M, the FLOPs per token of training or of the forward pass: the sum of `flops_by_part`.

    >>> shape = make_plan(replace(preset("smoke"), data=None)).runs[0].shape
    >>> flops_per_token(shape, 128, "6nd") == 6 * shape.N_a
    True
    """
    return sum(flops_by_part(shape, seq_len, convention, forward=forward, targets=targets).values())


def parameters(shape: Shape, convention: str = "exact") -> tuple[int, int]:
    """Return (N, N_a) as a convention counts them: without the vocabulary, and without the parts that it excludes.

    Only `li2025` and `li2025+router` differ from `Shape.N` and `Shape.N_a`. Raises UsageError for an unknown one.
    """
    excluded = {*VOCABULARY_PARTS, *look_up(CONVENTIONS, convention, "FLOPs convention").excluded}
    total, active = (
        sum(count for part, count in parts.items() if part not in excluded)
        for parts in (shape.parts, shape.active_parts)
    )
    return total, active
