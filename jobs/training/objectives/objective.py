"""What a training objective decides: inputs and targets, the loss, its evaluation, and the floor of the loss."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor

from jobs.corpora.mixture import Mixture
from jobs.corpora.tokens import TokenStore
from jobs.training.network.cross_entropy import linear_cross_entropy, token_losses
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

    def __init__(self, spec: RunSpec, corpus: Mixture | None = None):
        self.spec, self.corpus = spec, corpus

    @abstractmethod
    def examples(self, windows: Tensor, numbers: Iterable[int], domains: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return inputs and targets of windows (n, seq_len + 1), each with n rows, on their device.

        `domains` (n,) are the numbers of their domains; None means that there is one. `numbers` identifies the windows:
        in training their positions in the run, in an evaluation their numbers in the validation split. An objective
        with random inputs draws them from these numbers and the seed. A resumed or differently cut run then sees the
        same examples.
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


IGNORED = -1
"""Token of a place in `targets` that is not predicted: it fills up windows with fewer targets than others."""


class ChosenTargets(Objective):
    """An objective that predicts some tokens of a window; the head is applied to these alone.

    `targets` is (n, k, 2): the positions of the predicted tokens in the window, and the tokens, or IGNORED. The loss of
    a window is the mean over its targets, and the loss of a batch the mean over its windows.
    """

    is_likelihood = False

    def loss(self, x: Tensor, head: Tensor, targets: Tensor, *, compiled: bool) -> Tensor:
        """Return the mean over windows of the mean cross entropy of their targets."""
        counts = (targets[..., 1] != IGNORED).sum(1)
        sizes = sorted(set(counts.tolist())) if self.uneven else [targets.shape[1]]
        total = x.new_zeros(())
        for size in sizes:
            chosen = targets[counts == size][:, :size] if self.uneven else targets
            rows = x[counts == size] if self.uneven else x
            part = linear_cross_entropy(at(rows, chosen), head, chosen[..., 1], compiled=compiled)
            total = total + part * (len(chosen) / len(targets))
        return total

    def measure(self, x: Tensor, head: Tensor, targets: Tensor) -> WindowLosses:
        """Return sum and means by window of the cross entropies; every window weighs the same in the sum."""
        wanted = targets[..., 1]
        losses = token_losses(at(x, targets), head, wanted.clamp_min(0)).double() * (wanted != IGNORED)
        counts = (wanted != IGNORED).sum(1)
        return WindowLosses(total=losses.sum(), tokens=int(counts.sum()), means=losses.sum(1) / counts)

    @property
    def uneven(self) -> bool:
        """Whether windows can have different numbers of targets."""
        return False


def at(x: Tensor, targets: Tensor) -> Tensor:
    """Return the rows of x (n, T, width) at the positions in targets (n, k, 2), shape (n, k, width)."""
    return x.gather(1, targets[..., :1].expand(-1, -1, x.shape[-1]))
