"""Memory of a training step, by part: weights, gradients, optimizer, and the activations that the backward pass needs.

The training engine keeps weights, gradients and the two moments of AdamW in fp32. In bf16 the matrix products read
copies of weights and activations. Activations count what each operation keeps for its gradient when operations run one
by one; the tests compare this with what torch keeps. A compiled model keeps less.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass

from planners.architecture.shape import Shape

FP32, BF16, ID = 4, 2, 8
"""Bytes of a number and of a token's or expert's id."""
KEPT_WIDTHS = {"swiglu": 4, "gelu": 2}
"""Hidden vectors that an FFN keeps: gate, up, silu of the gate and their product; or input and output of GELU."""
ALIBI_WIDENING = 8
"""Dimensions that the engine adds to heads with ALiBi positions."""
LOGITS = 2**24
"""Most logits that the engine holds at once; beyond, it computes the head for a part of the tokens at a time."""
PART = 2**27
"""Most logits of such a part on a GPU; on a CPU a part has at most LOGITS."""
USABLE = 0.8
"""Share of a device's memory that a step may fill; the rest is for the driver, kernels and fragments."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes of a training step at its peak."""

    weights: int
    """fp32 weights."""
    gradients: int
    """fp32 gradients."""
    optimizer: int
    """Two fp32 moments of AdamW, without its counters of four bytes per tensor."""
    copies: int
    """bf16 copies of the weights in matrix products; 0 in fp32."""
    activations: dict[str, int]
    """What one forward pass keeps for the backward pass, by part of the model."""
    passing: int
    """Twice the logits while the loss is computed, and the head's copy where it is computed in parts."""

    @property
    def total(self) -> int:
        """All bytes."""
        return self.state + sum(self.activations.values()) + self.passing

    @property
    def state(self) -> int:
        """Bytes that do not depend on the number of tokens."""
        return self.weights + self.gradients + self.optimizer + self.copies


def memory(
    shape: Shape, precision: str, tokens: int, *, recompute: bool = False, shards: int = 1, part: int = PART
) -> Memory:
    """Return the memory of a training step with `tokens` tokens in one forward pass.

    `recompute` keeps only the input of each layer and computes the inside of one layer again (arXiv 1604.06174).
    Weights, gradients and optimizer are divided among `shards` devices. `part` is the most logits of a part of the
    head.
    """
    owned = math.ceil(FP32 * shape.total / shards)
    size = BF16 if precision == "bf16" else FP32
    inside = sum(shape.parts[part] for part in ("attention", "dense_ffn", "routed_experts", "shared_expert"))
    head = shape.vocab_size * shape.d_model
    copied, head_copy = (BF16 * inside, BF16 * head) if precision == "bf16" else (0, 0)
    logits = min(tokens * shape.vocab_size, part)
    if tokens * shape.vocab_size <= LOGITS:
        kept, copied, head_copy = tokens * size * shape.d_model + FP32 * logits, copied + head_copy, 0
    else:  # in parts: the head keeps gradients instead of logits
        kept = FP32 * (tokens * shape.d_model + head)
    layers = {part: tokens * count for part, count in _layers(shape, size, recompute).items()}
    return Memory(
        weights=owned,
        gradients=owned,
        optimizer=2 * owned,
        copies=copied,
        activations={**layers, "head": tokens * _norm(shape) + kept},
        passing=2 * FP32 * logits + head_copy,
    )


def micro_batch(
    shape: Shape, precision: str, seq_len: int, count: int, room: float, *, recompute: bool = False, shards: int = 1
) -> int | None:
    """Return how many of the `count` sequences of a batch go through the model in one forward pass.

    Each size is compiled anew, so passes are of equal size where at most one pass more than needed achieves that. The
    step takes at most `room` bytes; None where not even one sequence fits.
    """

    def bytes_for(sequences: int) -> int:
        return memory(shape, precision, sequences * seq_len, recompute=recompute, shards=shards).total

    whole = min(count, LOGITS // (seq_len * shape.vocab_size))  # memory drops where the head is first computed in parts
    for sequences in (range(whole + 1, count + 1), range(1, whole + 1)):
        fitting = bisect_right(sequences, room, key=bytes_for)
        if fitting:
            fewest = math.ceil(count / sequences[fitting - 1])
            return math.ceil(count / next((parts for parts in (fewest, fewest + 1) if count % parts == 0), fewest))
    return None


def _layers(shape: Shape, size: int, recompute: bool) -> dict[str, int]:
    """Return the bytes per token that the layers keep, by part."""
    attention = {"norms": 2 * _norm(shape), "attention": _attention(shape, size)}
    dense = {**attention, "dense_ffn": _ffn(shape, shape.d_ff, size)}
    moe = attention
    if not shape.is_dense:
        shared = _ffn(shape, shape.d_shared, size) if shape.d_shared else 0
        moe = {**attention, "routed_experts": _routed(shape, size), "shared_expert": shared, "router": _router(shape)}
    kinds = [(dense, shape.n_layers - shape.n_moe_layers), (moe, shape.n_moe_layers)]
    if recompute:
        fullest = max((kind for kind, layers in kinds if layers), key=lambda kind: sum(kind.values()))
        return {"inputs": FP32 * shape.n_layers * shape.d_model, **fullest}
    kept: dict[str, int] = {}
    for kind, layers in kinds:
        for part, count in kind.items():
            kept[part] = kept.get(part, 0) + layers * count
    return kept


def _norm(shape: Shape) -> int:
    """Return what a norm keeps of a token: its input and, for RMSNorm, the input scaled to root mean square 1."""
    return FP32 * (shape.d_model * (2 if shape.norm == "rmsnorm" else 1) + 1)


def _attention(shape: Shape, size: int) -> int:
    """Return what attention keeps of a token: input, queries, keys, values, output and its log normaliser.

    Queries and keys are kept once more where they are rotated or normalised, and all three where ALiBi widens them.
    Norms of queries and keys read fp32: the whole projection in fp32, a copy of queries and keys in bf16.
    """
    queries, keys = shape.n_heads * shape.head_dim, shape.n_kv_heads * shape.head_dim
    projected, normed = queries + 2 * keys, shape.qk_norm != "none"
    if shape.positions == "alibi":
        kept = (projected + queries) * (shape.head_dim + ALIBI_WIDENING) // shape.head_dim + normed * projected
    else:
        kept = projected + (normed or shape.positions == "rope") * (queries + keys)
    in_norms = normed * ((shape.norm == "rmsnorm") * (queries + keys) + (projected if size == FP32 else queries + keys))
    return size * (shape.d_model + kept + queries) + FP32 * (in_norms + shape.n_heads)


def _ffn(shape: Shape, hidden: int, size: int) -> int:
    """Return what an FFN keeps of a token: its input, the hidden layer and its activation."""
    return size * (shape.d_model + KEPT_WIDTHS[shape.ffn] * hidden)


def _routed(shape: Shape, size: int) -> int:
    """Return what the K experts of a token keep: input, hidden layer, output and gate of each, and two sort orders."""
    slot = size * (2 * shape.d_model + KEPT_WIDTHS[shape.ffn] * shape.d_expert + 1) + 2 * ID
    return shape.top_k * slot


def _router(shape: Shape) -> int:
    """Return what the router keeps of a token: fp32 input, logits and gates of all experts, ids of the chosen ones."""
    return FP32 * (shape.d_model + 2 * shape.n_experts + 1) + ID * shape.top_k
