"""Differences of arms over seeds: which method applies, and means over arms with seeds as blocks."""

import numpy as np
import pytest
from scipy import stats

from fits.compare.by_seed import BLOCKED, NONE, PAIRED, WELCH, mean_seed_difference, seed_difference

ONE, OTHER = {0: 1.0, 1: 1.2, 2: 1.5}, {0: 1.1, 1: 1.4, 2: 1.8}


def test_shared_seeds_are_paired():
    found = seed_difference(ONE, OTHER, paired=True)
    expected = stats.ttest_rel(list(OTHER.values()), list(ONE.values())).confidence_interval(0.95)
    assert (found.how, found.n) == (PAIRED, 3)
    assert found.ends == pytest.approx((expected.low, expected.high))


def test_seeds_that_mean_something_else_are_compared_by_welch():
    found = seed_difference(ONE, OTHER, paired=False)
    assert (found.how, found.n) == (WELCH, 6)


def test_a_single_shared_seed_gives_a_difference_without_an_interval():
    found = seed_difference(ONE, {2: 2.0}, paired=True)
    assert (found.how, found.n, found.value, found.half()) == (NONE, 1, 0.5, None)
    assert seed_difference(ONE, {9: 2.0}, paired=True).n == 4


def test_arms_of_other_seeds_are_independent_blocks():
    """Two budgets with different seeds: the variances of two means add, each over half of the arms."""
    first, second = {0: 1.0, 1: 1.2, 2: 1.5}, {3: 2.0, 4: 2.6}
    shifted = {seed: loss + 1 for seed, loss in first.items()}
    zero = dict.fromkeys(range(5), 0.0)
    arms = [first, shifted, second, second]
    found = mean_seed_difference([(zero, arm) for arm in arms], paired=True)
    expected = 0.25 * np.var(list(first.values()), ddof=1) / 3 + 0.25 * np.var(list(second.values()), ddof=1) / 2
    assert found.how == PAIRED
    assert found.variance == pytest.approx(expected)
    assert found.value == pytest.approx(np.mean([np.mean(list(first.values())) + 0.5, np.mean(list(second.values()))]))
    assert mean_seed_difference([(zero, first), (zero, {0: 1.0})], paired=True) is None
    assert mean_seed_difference([(zero, arm) for arm in arms], paired=False).how == BLOCKED
