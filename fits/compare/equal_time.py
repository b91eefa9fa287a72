"""The loss of an arm at a given time, interpolated between runs of two budgets that were each trained to the end."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from fits.compare.samples import sample_mean
from fits.intervals import half_width


def log_weights(times: Sequence[float], at: float) -> tuple[int, float] | None:
    """Return (i, w) such that ln `at` = (1 - w) ln times[i] + w ln times[i + 1]; None outside the ascending `times`."""
    for i, (before, after) in enumerate(pairwise(times)):
        if before <= at <= after and after > before:
            return i, math.log(at / before) / math.log(after / before)
    return None


def weighted_loss(parts: Sequence[tuple[float, Mapping[int, float]]]) -> tuple[float, float | None]:
    """Return the sum of weight * mean loss over arms, given as (weight, seed -> loss), and half its 95 % interval.

    Arms with the same seeds are paired by seed; otherwise their errors are independent. The half width is None if an
    arm has a single seed.
    """
    means = [(weight, sample_mean(list(losses.values()))) for weight, losses in parts]
    value = sum(weight * mean.value for weight, mean in means)
    seeds = [losses.keys() for _, losses in parts]
    if all(each == seeds[0] for each in seeds):
        return value, sample_mean([sum(weight * losses[seed] for weight, losses in parts) for seed in seeds[0]]).half()
    errors = [(weight**2 * mean.variance, mean.dof) for weight, mean in means if mean.variance is not None]
    return value, half_width(*errors) if len(errors) == len(means) else None
