"""The equivalence test of an estimate agrees with the test of the sample that it came from."""

import numpy as np
import pytest

from fits.compare.samples import sample_mean
from fits.repeats.tost import tost, tost_of


@pytest.mark.parametrize("mean", [-0.004, 0.0, 0.008, 0.03])
def test_an_estimate_has_the_p_of_its_sample(mean):
    values = np.random.default_rng(2).normal(mean, 0.005, 5).tolist()
    found = sample_mean(values)
    assert tost_of(found.value, found.variance**0.5, found.dof, 0.01) == pytest.approx(tost(values, 0.01))


def test_without_noise_the_margin_decides():
    assert (tost_of(0.005, 0.0, 3, 0.01), tost_of(0.02, 0.0, 3, 0.01)) == (0.0, 1.0)
