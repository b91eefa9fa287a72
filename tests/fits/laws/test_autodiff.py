"""Automatic differentiation: duals against finite differences, and what they leave out."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from fits.laws.autodiff import Dual, exp, expm1, log, minimum

small = st.floats(0.3, 3.0)


@settings(max_examples=60, deadline=None)
@given(small, small, small)
def test_duals_differentiate_any_expression(x, y, z):
    def f(x, y, z):
        return (
            exp(x * 0.3 - y) * log(z + x * y) / (y + 2.0 / z) - expm1(-x) * x + minimum(x * y, z + 5.0) + (1.0 - z) * y
        )

    duals = [Dual.variable(np.float64(value), j) for j, value in enumerate((x, y, z))]
    found = f(*duals)
    point = np.array([x, y, z])
    assert found.value == pytest.approx(f(*point), rel=1e-14)
    h = 1e-4 * np.eye(3)
    for j in range(3):
        first = (f(*(point + h[j])) - f(*(point - h[j]))) / 2e-4
        assert found.first[j] == pytest.approx(first, rel=1e-5, abs=1e-5)
        for k in range(j, 3):
            corners = [f(*(point + s * h[j] + t * h[k])) * s * t for s in (1, -1) for t in (1, -1)]
            assert found.second.get((j, k), 0.0) == pytest.approx(sum(corners) / 4e-8, rel=1e-4, abs=1e-3)


def test_linear_terms_store_no_second_derivative():
    x = np.linspace(1, 2, 5)
    z = Dual.variable(np.zeros((3, 1)), 0) - Dual.variable(np.ones((3, 1)), 1) * x
    assert z.second == {}
    assert z.value.shape == (3, 5)
    np.testing.assert_array_equal(z.first[1], -x)
    assert z.first[0] == 1.0
