"""How many examples of generated tasks a model answers, from one forward pass.

All answers of an example are the arg max, given the right ones before them, exactly when greedy decoding writes them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from jobs.record import TaskAccuracy
from planners.corpus import AnswerPattern

LEVELS = (50, 90)
"""Exact match, in percent, until which tokens are counted."""


class Answered:
    """Right answers of a domain, summed over batches of windows; examples that a window cuts are left out."""

    def __init__(self, pattern: AnswerPattern, seq_len: int):
        length = len(pattern.example)
        steps = [place for place, is_answer in enumerate(pattern.example) if is_answer]
        first = [example * length for example in range(seq_len // length)]
        self.places = torch.tensor([[start + step for step in steps] for start in first])
        """(examples, steps): positions from which answers are predicted."""
        self.right: list[Tensor] = []
        self.losses: list[Tensor] = []

    def add(self, x: Tensor, head: Tensor, windows: Tensor) -> None:
        """Add windows (n, seq_len + 1) with the inputs of the head x (n, seq_len, d_model)."""
        places = self.places.flatten().to(x.device)
        logits, wanted = F.linear(x[:, places], head).float(), windows[:, 1:][:, places]
        right = (logits.argmax(-1) == wanted).view(-1, *self.places.shape)
        self.right.append(right.flatten(0, 1))
        self.losses.append(F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none").double())

    def result(self) -> TaskAccuracy:
        """Return the accuracy over all examples."""
        right = torch.cat(self.right).double()
        return TaskAccuracy(
            exact_match=float(right.prod(1).mean()),
            steps=tuple(right.mean(0).tolist()),
            loss=float(torch.cat(self.losses).mean()),
            floor=0.0,
            n=len(right),
        )


def mean_exact_match(tasks: dict[str, TaskAccuracy]) -> float | None:
    """Return the mean exact match over tasks; None without any."""
    return sum(task.exact_match for task in tasks.values()) / len(tasks) if tasks else None


def passed(before: dict[str, float], now: dict[str, float], D_before: int, D: int) -> dict[str, float]:
    """Return the tokens at which each exact match passes each level between two evaluations, linear between them.

    The names are tokens_50, tokens_50.arith …; the mean over tasks has the empty name.
    """
    found = {}
    for name, value in now.items():
        start = before.get(name, 0.0)
        for level in LEVELS:
            if start < level / 100 <= value:
                share = (level / 100 - start) / (value - start)
                found[f"tokens_{level}" + (f".{name}" if name else "")] = D_before + share * (D - D_before)
    return found
