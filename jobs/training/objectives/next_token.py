"""Next-token prediction: every token of a window from those before it."""

from collections.abc import Iterable

from torch import Tensor

from jobs.corpora.tokens import TokenStore
from jobs.training.network.cross_entropy import linear_cross_entropy, token_losses
from jobs.training.objectives.objective import Objective, WindowLosses


class NextToken(Objective):
    """Predict each token from the ones before it; targets are the inputs shifted by one, shape (n, seq_len)."""

    def examples(self, windows: Tensor, numbers: Iterable[int], domains: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return all but the last token, and all but the first."""
        return windows[:, :-1], windows[:, 1:]

    def loss(self, x: Tensor, head: Tensor, targets: Tensor, *, compiled: bool) -> Tensor:
        """Return the mean cross entropy of all targets."""
        return linear_cross_entropy(x, head, targets, compiled=compiled)

    def measure(self, x: Tensor, head: Tensor, targets: Tensor) -> WindowLosses:
        """Return sum, number and means by window of the cross entropies."""
        losses = token_losses(x, head, targets).double()
        return WindowLosses(total=losses.sum(), tokens=losses.numel(), means=losses.mean(1))

    def floor(self, store: TokenStore) -> float | None:
        """Return the entropy rate of the domain's windows, which only generated domains know."""
        return store.floor(self.spec.training.seq_len)
