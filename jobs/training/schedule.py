"""Learning rate over the steps of a run."""

import math
from collections.abc import Callable

from planners.spec import Training


def learning_rate(step: int, training: Training) -> float:
    """Return the rate of optimizer step `step` (from 0): linear warm-up, then the schedule's way down to the floor."""
    if step < training.warmup_steps:
        return training.lr * (step + 1) / training.warmup_steps
    share = SHARES[training.schedule](step, training)
    return training.lr_floor + (training.lr - training.lr_floor) * share


def _cosine(step: int, training: Training) -> float:
    """Return the share of the peak above the floor: half a cosine over all steps after warm-up (arXiv 1608.03983)."""
    progress = (step - training.warmup_steps) / max(1, training.steps - training.warmup_steps)
    return (1 + math.cos(math.pi * progress)) / 2


def _warmup_stable_decay(step: int, training: Training) -> float:
    """Return 1, and in the last `cooldown_share` of all steps 1 - sqrt(progress) (arXiv 2405.18392).

    Where warm-up and cooldown together are longer than the run, the cooldown is cut short, not the warm-up.
    """
    start = max(training.warmup_steps, training.steps - math.ceil(training.cooldown_share * training.steps))
    progress = (step - start) / max(1, training.steps - start)
    return 1 - math.sqrt(max(0.0, progress))


SHARES: dict[str, Callable[[int, Training], float]] = {"cosine": _cosine, "wsd": _warmup_stable_decay}
"""By schedule: share of the distance from floor to peak at a step after warm-up."""
