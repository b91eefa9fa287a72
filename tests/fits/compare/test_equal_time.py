"""Losses at a given time: the weights of the interpolation, and the interval of a weighted sum of means."""

import math

import numpy as np
import pytest

from fits.compare.equal_time import log_weights, weighted_loss
from fits.intervals import half_width, t_quantile


def test_weights_interpolate_the_logarithm_of_time():
    assert log_weights([1.0, 4.0, 16.0], 8.0) == pytest.approx((1, 0.5))
    assert log_weights([1.0, 4.0], 4.0) == pytest.approx((0, 1.0))
    assert log_weights([1.0, 4.0], 5.0) is None
    assert log_weights([1.0], 1.0) is None


def test_arms_with_the_same_seeds_are_paired():
    one, other = {0: 1.0, 1: 1.4}, {0: 2.0, 1: 2.5}
    value, half = weighted_loss([(0.5, one), (0.5, other)])
    sums = [1.5, 1.95]
    assert (value, half) == pytest.approx((1.725, t_quantile(1) * np.std(sums, ddof=1) / math.sqrt(2)))


def test_arms_with_other_seeds_are_independent_and_one_seed_has_no_interval():
    one, other = {0: 1.0, 1: 1.4}, {2: 2.0, 3: 2.5}
    half = weighted_loss([(0.5, one), (0.5, other)])[1]
    assert half == pytest.approx(half_width((0.25 * 0.08 / 2, 1), (0.25 * 0.125 / 2, 1)))
    assert weighted_loss([(1.0, one), (-1.0, {0: 2.0})]) == pytest.approx((-0.8, None))
