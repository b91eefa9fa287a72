"""The windows of each step: a function of the step, read from the corpus a few batches at a time."""

import torch
from torch import Tensor

from jobs.corpora.mixture import Stream
from jobs.training.device.distributed import Ranks
from planners.spec import Training

AT_ONCE = 64
"""Sequences to read at once at least: reading many costs little more than reading a few."""


class Batches:
    """Reads batches; `batches(step)` returns the part of a batch that belongs to this process."""

    def __init__(self, stream: Stream, training: Training, ranks: Ranks):
        self.stream, self.ranks = stream, ranks
        self.count = training.batch_tokens // training.seq_len
        self.ahead = max(1, AT_ONCE // self.count)
        self._group, self._read = -1, torch.empty(0)

    def __call__(self, step: int) -> Tensor:
        """Return the windows of optimizer step `step` (from 0), shape (windows, seq_len + 1), int64, on the device."""
        group, place = divmod(step, self.ahead)
        if group != self._group:
            size = self.ahead * self.count
            self._group, self._read = group, torch.from_numpy(self.stream(group * size, size))
        mine = self.ranks.share(range(place * self.count, (place + 1) * self.count))
        return self._on_device(self._read[mine.start : mine.stop])

    def domains(self, step: int) -> Tensor:
        """Return the number of the domain of each of these windows, shape (windows,), int64, on the device."""
        mine = self.ranks.share(range(step * self.count, (step + 1) * self.count))
        return self._on_device(torch.from_numpy(self.stream.domain_of(mine.start, len(mine))))

    def _on_device(self, numbers: Tensor) -> Tensor:
        if self.ranks.device.type != "cuda":
            return numbers
        return numbers.pin_memory().to(self.ranks.device, non_blocking=True)
