"""Masked tokens (arXiv 1810.04805): recover some tokens of a window from all others; for encoders."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from jobs.corpora.mixture import Mixture
from jobs.corpora.tokens import TokenStore
from jobs.training.objectives.objective import ChosenTargets
from planners.records.errors import UsageError
from planners.spec import RunSpec

HIDDEN, REPLACED = 0.8, 0.1
"""Shares of the targets that show the mask token, and a random token; the others show themselves."""


class Masked(ChosenTargets):
    """Predict exactly round(mask_share T) tokens of a window, drawn from seed, step and place of the window.

    An evaluation draws from the numbers of its windows, so it is the same every time. The mask token is the first id
    that the corpus does not use.
    """

    def __init__(self, spec: RunSpec, corpus: Mixture | None = None):
        super().__init__(spec, corpus)
        self.mask = spec.shape.vocab_size - 1 if corpus is None else corpus.manifest.vocab_size
        """Id of the mask token; random tokens are below it."""
        if self.mask >= spec.shape.vocab_size:
            raise UsageError(
                f"run {spec.run_id} has vocabulary {spec.shape.vocab_size}, which leaves no id for the mask token; plan"
                f" it with {self.mask + 1} or more"
            )
        self.count = round(spec.training.mask_share * spec.training.seq_len)

    def examples(self, windows: Tensor, numbers: Iterable[int], domains: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the first seq_len tokens with some of them replaced, and positions and tokens of the targets."""
        T, seed = windows.shape[1] - 1, self.spec.training.seed
        drawn = [np.random.default_rng([seed, int(number)]) for number in numbers]
        places = np.stack([generator.permutation(T)[: self.count] for generator in drawn])
        chance = np.stack([generator.random(self.count) for generator in drawn])
        others = np.stack([generator.integers(self.mask, size=self.count) for generator in drawn])
        places_, chance_, others_ = (torch.from_numpy(each).to(windows.device) for each in (places, chance, others))
        tokens = windows[:, :T].gather(1, places_)
        shown = torch.where(chance_ < HIDDEN + REPLACED, others_, tokens).masked_fill(chance_ < HIDDEN, self.mask)
        return windows[:, :T].scatter(1, places_, shown), torch.stack((places_, tokens), -1)

    def floor(self, store: TokenStore) -> float | None:
        """Return None: the entropy of a token given both sides is unknown, except that it is not below 0."""
        return None
