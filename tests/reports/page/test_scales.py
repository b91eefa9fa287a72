"""Logarithmic axes have a few round ticks."""

import pytest
from hypothesis import given, strategies as st

from reports.page.scales import log_ticks


@given(st.floats(-4, 20), st.floats(0.25, 8))
def test_log_axes_have_a_few_round_ticks_in_their_limits(exponent: float, decades: float) -> None:
    low, high = 10**exponent, 10 ** (exponent + decades)
    ticks = log_ticks(low, high)
    assert 2 <= len(ticks) <= 16
    assert all(low <= tick <= high for tick in ticks)
    assert all(float(f"{tick:.1e}") == pytest.approx(tick, rel=1e-12) for tick in ticks)
