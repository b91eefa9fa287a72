"""Learning rate over the steps of a run."""

import math

from planners.spec import Training


def learning_rate(step: int, training: Training) -> float:
    """Return the rate of optimizer step `step` (from 0): linear warm-up, then half a cosine down to the floor."""
    if step < training.warmup_steps:
        return training.lr * (step + 1) / training.warmup_steps
    progress = (step - training.warmup_steps) / max(1, training.steps - training.warmup_steps)
    return training.lr_floor + (training.lr - training.lr_floor) * (1 + math.cos(math.pi * progress)) / 2
