"""Holm's adjustment agrees with statsmodels."""

import pytest
from hypothesis import given, strategies as st
from statsmodels.stats.multitest import multipletests

from fits.compare.several_tests import holm


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(ps):
    assert holm(ps) == pytest.approx(multipletests(ps, method="holm")[1].tolist())
