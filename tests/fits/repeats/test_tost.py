"""The equivalence test and its power, against statsmodels and scipy."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chi, norm, t
from statsmodels.stats.weightstats import DescrStatsW

from fits.compare.samples import sample_mean
from fits.repeats.tost import equivalence_power, tost


@pytest.mark.parametrize("mean", [-0.004, 0.0, 0.008, 0.03])
def test_an_estimate_has_the_p_of_its_sample(mean):
    values = np.random.default_rng(2).normal(mean, 0.005, 5)
    found = sample_mean(values.tolist())
    assert tost(found.value, found.variance**0.5, found.dof, 0.01) == pytest.approx(
        DescrStatsW(values).ttost_mean(-0.01, 0.01)[0]
    )


def test_without_noise_the_margin_decides():
    assert (tost(0.005, 0.0, 3, 0.01), tost(0.02, 0.0, 3, 0.01)) == (0.0, 1.0)


@pytest.mark.parametrize(("n", "excess"), [(2, 0.0), (3, 0.003), (12, 0.01)])
def test_the_power_integrates_the_distributions_of_scipy(n, excess):
    margin, error, dof = 0.02, 0.01 / math.sqrt(n), n - 1
    quantile = t.ppf(0.95, dof)

    def passes(ratio):
        room = margin - quantile * ratio * error
        inside = norm.cdf((room - excess) / error) - norm.cdf((-room - excess) / error)
        return inside * chi.pdf(ratio * math.sqrt(dof), dof) * math.sqrt(dof)

    expected = quad(passes, 0, margin / (quantile * error))[0]
    assert equivalence_power(margin, 0.01, n, excess) == pytest.approx(expected, rel=1e-6)
