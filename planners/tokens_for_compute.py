"""The rule that picks D: the tokens that a training budget C pays for, in whole batches."""

from planners.architecture.flops import flops_per_token
from planners.architecture.shape import Shape


def tokens_for_compute(
    C: float, shape: Shape, seq_len: int, convention: str = "exact", targets: float | None = None
) -> float:
    """Return D = C / M: the tokens that `shape` consumes when C FLOPs train it, M of them for each token.

    `targets` is the number of predicted tokens of a window; null: all of them.
    """
    return C / flops_per_token(shape, seq_len, convention, targets=targets)


def whole_batches(D: float, batch_tokens: int) -> int:
    """Return the tokens of the number of batches nearest to D tokens."""
    return round(D / batch_tokens) * batch_tokens
