"""Single effects against statsmodels: a column next to a curve, and the exponent of a power law."""

import math

import numpy as np
import pytest
import statsmodels.api as sm

from fits.curve.effects import partial_effect, power_law
from fits.laws.curve_basis import Powers


def test_a_partial_effect_is_the_coefficient_of_the_full_regression():
    draw = np.random.default_rng(0)
    x, step = draw.uniform(-2, 0, 12), (np.arange(12) % 3 == 0).astype(float)
    y = 2 + 0.1 * x**2 + 0.05 * step + 0.01 * draw.standard_normal(12)
    full = sm.OLS(y, np.column_stack([Powers(4).columns(x), step])).fit()
    value, half = partial_effect(Powers(4), x, y, step)
    assert value == pytest.approx(full.params[4])
    assert (value - half, value + half) == pytest.approx(tuple(full.conf_int()[4]))


@pytest.mark.parametrize("weighted", [False, True])
def test_a_power_law_is_weighted_least_squares_of_the_logarithms(weighted):
    draw = np.random.default_rng(1)
    x, weights = np.geomspace(1, 1e4, 7), draw.uniform(1, 5, 7)
    y = 3 * x**0.5 * np.exp(0.1 * draw.standard_normal(7))
    full = sm.WLS(np.log(y), sm.add_constant(np.log(x)), weights if weighted else 1.0).fit()
    exponent, half, factor = power_law(x, y, weights if weighted else None)
    assert (exponent, math.log(factor)) == pytest.approx((full.params[1], full.params[0]))
    assert (exponent - half, exponent + half) == pytest.approx(tuple(full.conf_int()[1]))
