"""Means of small samples: their intervals, Welch differences, pooled SDs and the sign test, each against scipy."""

import math

import numpy as np
import pytest
from scipy import stats

from fits.compare.samples import pooled_sd, sample_mean, sd, sign_test, weighted_sum, welch

A, B = [1.0, 1.3, 1.1, 1.6], [2.0, 2.9, 1.7]


def test_the_interval_of_a_mean_is_the_t_interval():
    low, high = stats.ttest_1samp(A, 0).confidence_interval(0.95)
    assert sample_mean(A).ends == pytest.approx((low, high))
    assert sample_mean(A).half(4) > sample_mean(A).half()


def test_a_single_value_has_no_interval():
    assert sample_mean([2.0]).ends == (None, None)
    assert sample_mean([2.0]).half() is None
    assert welch(sample_mean(A), sample_mean([2.0])).variance is None


def test_a_difference_of_means_is_that_of_welch():
    interval = stats.ttest_ind(B, A, equal_var=False).confidence_interval(0.95)
    assert welch(sample_mean(A), sample_mean(B)).ends == pytest.approx((interval.low, interval.high))


def test_a_sum_of_sums_has_the_degrees_of_freedom_of_one_sum():
    one, other, third = sample_mean(A), sample_mean(B), sample_mean([0.1, 0.5])
    nested = weighted_sum([(1.0, weighted_sum([(0.5, one), (0.5, other)])), (-1.0, third)])
    flat = weighted_sum([(0.5, one), (0.5, other), (-1.0, third)])
    assert (nested.value, nested.variance, nested.dof) == pytest.approx((flat.value, flat.variance, flat.dof))


def test_equal_values_have_an_interval_of_width_zero():
    assert welch(sample_mean([1.0, 1.0]), sample_mean([3.0, 3.0, 3.0])).ends == (2.0, 2.0)


def test_the_pooled_sd_weighs_groups_by_their_degrees_of_freedom():
    expected = math.sqrt((3 * np.var(A, ddof=1) + 2 * np.var(B, ddof=1)) / 5)
    assert pooled_sd([A, B, [7.0]]) == pytest.approx(expected)
    assert pooled_sd([[1.0], [2.0]]) is None
    assert sd(A) == pytest.approx(np.std(A, ddof=1))
    assert sd([1.0]) is None


@pytest.mark.parametrize(("wins", "n"), [(9, 10), (5, 10), (0, 4)])
def test_the_sign_test_is_the_binomial_test(wins, n):
    assert sign_test(wins, n) == pytest.approx(stats.binomtest(wins, n).pvalue)
