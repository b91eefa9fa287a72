"""Learning-rate schedules."""

import math
from collections.abc import Callable

from planners.spec import Training


def learning_rate(step: int, training: Training) -> float:
    """Return the learning rate of optimizer step `step` (from 0): linear warm-up, then decay to the floor."""
    if step < training.warmup_steps:
        return training.lr * (step + 1) / training.warmup_steps
    share = SCHEDULES[training.schedule](step, training)
    return training.lr_floor + (training.lr - training.lr_floor) * share


def _cosine(step: int, training: Training) -> float:
    """Return half a cosine, from 1 to 0 over all steps after warm-up (arXiv 1608.03983)."""
    progress = (step - training.warmup_steps) / max(1, training.steps - training.warmup_steps)
    return (1 + math.cos(math.pi * progress)) / 2


def _warmup_stable_decay(step: int, training: Training) -> float:
    """Return 1, then 1 - sqrt(progress) in the last `cooldown_share` of all steps (arXiv 2405.18392).

    If warm-up and cooldown together are longer than the run, the cooldown is shortened, not the warm-up.
    """
    start = max(training.warmup_steps, training.steps - math.ceil(training.cooldown_share * training.steps))
    progress = (step - start) / max(1, training.steps - start)
    return 1 - math.sqrt(max(0.0, progress))


SCHEDULES: dict[str, Callable[[int, Training], float]] = {
    "cosine": _cosine,
    "wsd": _warmup_stable_decay,
    "constant": lambda step, training: 1.0,
}
"""Height between floor (0) and peak (1) at a step after warm-up, by the name of the schedule."""
