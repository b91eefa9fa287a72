"""Quantiles, ratios, the search for where a test begins to hold, and simultaneous bands."""

import math

import numpy as np
import pytest
from scipy import stats

from fits.intervals import first, percentile, ratio_interval, simultaneous_quantile, t_quantile, t_test


@pytest.mark.parametrize(("dof", "expected"), [(1, 12.7062047), (7, 2.3646243), (10**6, 1.9599664)])
def test_t_quantiles_agree_with_printed_tables(dof, expected):
    assert t_quantile(dof) == pytest.approx(expected, rel=1e-5)


def test_percentiles_ignore_values_that_are_not_finite():
    draws = np.concatenate([np.arange(1001.0), [np.nan, np.nan]])
    assert percentile(draws) == pytest.approx((25.0, 975.0))
    assert all(map(math.isnan, percentile(np.array([np.nan]))))


@pytest.mark.parametrize(("start", "stop"), [(0.0, 4.0), (4.0, 0.0)])
def test_first_finds_where_a_condition_begins_to_hold(start, stop):
    def holds(x):
        return (x >= math.sqrt(2)) & (x <= 3.1)

    assert first(holds, start, stop) == pytest.approx(math.sqrt(2) if start < stop else 3.1, abs=1e-8)
    assert math.isnan(first(lambda x: x > 9, start, stop))
    assert first(lambda x: x > -1, start, stop) == start


def test_simultaneous_quantiles_of_one_and_of_independent_combinations():
    """The maximum of m independent |z| has the distribution (2 Phi - 1)^m; with many dof, t equals z."""
    one = simultaneous_quantile(np.array([[2.0, 1.0]]), np.array([[2.0, 0.3], [0.3, 1.0]]), 6)
    assert one == pytest.approx(stats.t.ppf(0.975, 6), rel=0.02)
    five = simultaneous_quantile(np.eye(5), np.diag([1.0, 4.0, 9.0, 0.1, 2.0]), 1e6)
    assert five == pytest.approx(stats.norm.ppf((1 + 0.95 ** (1 / 5)) / 2), rel=0.01)
    assert five < math.sqrt(stats.chi2.ppf(0.95, 5))  # Scheffe's holds for every combination


def test_the_p_of_an_estimate_agrees_with_a_t_test():
    values = [0.3, 0.1, 0.4, 0.2]
    error = np.std(values, ddof=1) / 2
    assert t_test(float(np.mean(values)), error, 3) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert t_test(0.1, 0.0, 3) == 0.0


def test_the_interval_of_a_ratio_combines_the_intervals_of_the_logarithms():
    a, b = (0.2, 0.2 / 1.2, 0.2 * 1.2), (0.3, 0.3 / 1.5, 0.3 * 1.5)
    half = math.hypot(math.log(1.2), math.log(1.5))
    assert ratio_interval(a, b) == pytest.approx((1.5, 1.5 * math.exp(-half), 1.5 * math.exp(half)))
    assert ratio_interval((0.2, None, 0.3), b)[2] == math.inf  # A could be far lower, so the ratio could be far higher
    assert ratio_interval(a, (0.3, None, 0.4))[1] == 0.0
    assert ratio_interval(b, a)[0] == pytest.approx(1 / 1.5)
