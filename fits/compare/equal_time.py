"""The loss of an arm at a given time, interpolated between runs of two budgets that were each trained to the end."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean, variance

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
    value = sum(weight * fmean(losses.values()) for weight, losses in parts)
    seeds = [set(losses) for _, losses in parts]
    if any(len(each) < 2 for each in seeds):
        return value, None
    if all(each == seeds[0] for each in seeds):
        sums = [sum(weight * losses[seed] for weight, losses in parts) for seed in seeds[0]]
        return value, half_width((variance(sums) / len(sums), len(sums) - 1))
    errors = [(weight**2 * variance(losses.values()) / len(losses), len(losses) - 1) for weight, losses in parts]
    return value, half_width(*errors)
