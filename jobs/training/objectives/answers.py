"""Answers only: the next token, where the store says that it is an answer."""

from collections.abc import Iterable
from functools import cached_property

import torch
from torch import Tensor

from jobs.corpora.mixture import Mixture
from jobs.corpora.tokens import TokenStore
from jobs.training.objectives.objective import IGNORED, ChosenTargets
from planners.records.errors import UsageError
from planners.spec import RunSpec


class Answers(ChosenTargets):
    """Predict the answers of generated tasks; inputs are those of next-token prediction."""

    def __init__(self, spec: RunSpec, corpus: Mixture | None = None):
        super().__init__(spec, corpus)
        found = [] if corpus is None else corpus.answers(spec.training.seq_len)
        if not found or not all(map(any, found)):
            raise UsageError(f"objective answers needs a corpus whose windows hold answers; run {spec.run_id} has none")
        places = [[place for place, is_answer in enumerate(each) if is_answer] for each in found]
        longest = max(map(len, places))
        self.places = torch.tensor([each + [IGNORED] * (longest - len(each)) for each in places])
        """(domains, k): positions from which the answers of a window are predicted."""

    @cached_property
    def uneven(self) -> bool:
        """Whether the windows of two domains have different numbers of answers."""
        return bool((self.places == IGNORED).any())

    def examples(self, windows: Tensor, numbers: Iterable[int], domains: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return all but the last token, and positions and tokens of the answers."""
        self.places = self.places.to(windows.device)
        domains = windows.new_zeros(len(windows)) if domains is None else domains
        places = self.places[domains]
        tokens = windows[:, 1:].gather(1, places.clamp_min(0))
        tokens = tokens.where(places != IGNORED, IGNORED)
        return windows[:, :-1], torch.stack((places.clamp_min(0), tokens), -1)

    def floor(self, store: TokenStore) -> float | None:
        """Return 0: every answer follows from its question."""
        return 0.0
