"""The tests of equal variances agree with scipy and apply only where groups repeat."""

import numpy as np
import pytest
from scipy import stats

from fits.compare.variances import equal_variances


def test_the_tests_agree_with_scipy():
    random = np.random.default_rng(0)
    groups = [random.normal(0, sd, 6).tolist() for sd in (0.006, 0.01, 0.042)]
    found = equal_variances(groups)
    assert found.bartlett == pytest.approx(stats.bartlett(*groups).pvalue)
    assert found.levene == pytest.approx(stats.levene(*groups).pvalue)
    assert not found.equal


def test_one_run_a_group_or_one_group_is_not_tested():
    assert equal_variances([[1.0], [2.0], [1.0, 2.0]]) is None
    assert equal_variances([]) is None
    assert equal_variances([[1.0, 2.0], [1.0, 1.5]]).levene is None


def test_distances_without_scatter_differ_for_certain():
    assert equal_variances([[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 5.0, 5.0]]).levene == 0.0
