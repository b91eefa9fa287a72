"""One simulated study of a plan, and how often further studies find the truth."""

import numpy as np

from fits import SeriesKey, from_records
from fits.simulate.coverage import Noise
from fits.simulate.simulated_study import simulate_study
from fits.simulate.truth import truth_of


def test_each_series_is_fitted_and_scored() -> None:
    rows = [
        {"r_a": rate, "n_experts": 64, "N": 1e8, "C": C, "seed": seed, "loss": 1.0}
        for C in (1e18, 4e18)
        for rate in (0.05, 0.1, 0.2, 0.4, 0.7)
        for seed in (0, 1, 2)
    ]
    plan = from_records(rows, source="plan")
    truth = truth_of("quadratic", {"best": 0.2}, plan)
    noise = Noise(sd=0.003, seed_sd=0.01)
    written, found = simulate_study(plan, truth, noise, "quadratic", studies=10, seed=1, margin=0.005)
    assert [one.series for one in found] == [SeriesKey(C=C).slug for C in (1e18, 4e18)]
    for one in found:
        assert one.rates == (0.05, 0.7)
        assert one.written.optimum is not None
        assert one.written.optimum.status == "converged"
        assert one.score is not None
        assert one.score.studies == 10
    again, bare = simulate_study(plan, truth, noise, "quadratic", studies=0, seed=1)
    np.testing.assert_allclose(written.numbers("loss"), again.numbers("loss"), rtol=1e-12)
    assert {one.score for one in bare} == {None}
