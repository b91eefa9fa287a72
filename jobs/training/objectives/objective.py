"""What a training objective decides: inputs and targets, the loss, its evaluation, and the floor of the loss."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor

from jobs.corpora.tokens import TokenStore
from planners.spec import RunSpec


class WindowLosses(NamedTuple):
    """Losses of a batch of validation windows, in nats, without gradient."""

    total: Tensor
    """Sum over all predicted tokens, a float64 scalar."""
    tokens: int
    """Number of predicted tokens."""
    means: Tensor
    """(windows,) mean loss of each window, float64; the standard error comes from these."""


class Objective(ABC):
    """What a run learns to predict, for the run that `spec` describes.

    Every window weighs the same in the loss. The loss of a batch is then the weighted mean over its micro-batches and
    processes, however it is cut.
    """

    is_likelihood: bool = True
    """Whether the loss is a negative log-likelihood of the text, so that perplexity and bits per byte are defined."""

    def __init__(self, spec: RunSpec):
        self.spec = spec

    @abstractmethod
    def examples(self, windows: Tensor, numbers: Iterable[int]) -> tuple[Tensor, Tensor]:
        """Return inputs and targets of windows (n, seq_len + 1), each with n rows, on their device.

        `numbers` identifies the windows: in training their positions in the run, in an evaluation their numbers in the
        validation split. An objective with random inputs draws them from these numbers and the seed. A resumed or
        differently cut run then sees the same examples.
        """

    @abstractmethod
    def loss(self, x: Tensor, head: Tensor, targets: Tensor, *, compiled: bool) -> Tensor:
        """Return the mean training loss in nats per predicted token, a scalar with gradient.

        x: (n, T, d_model), the input of the head; head: (vocab_size, d_model), its weight; targets: from `examples`.
        `compiled` asks for fused operations.
        """

    @abstractmethod
    def measure(self, x: Tensor, head: Tensor, targets: Tensor) -> WindowLosses:
        """Return the losses of validation windows; arguments as for `loss`."""

    @abstractmethod
    def floor(self, store: TokenStore) -> float | None:
        """Return the lowest possible expected loss on a domain, nats per predicted token; None if it is unknown."""
