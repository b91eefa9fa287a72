"""Repeated data refitted: gold minima, the profile of R_D, and what passes over the data are worth."""

import pytest

from reports.papers.muennighoff import study


def test_the_fits_have_the_gold_minima(repeated: study.Muennighoff) -> None:
    assert repeated.fit.objective == pytest.approx(0.015804662, rel=1e-7)
    assert repeated.params["R_D"] == pytest.approx(95.365, abs=6e-4)
    assert repeated.published_objective == pytest.approx(0.015825932, rel=1e-5)
    low, high = repeated.flat
    assert low == pytest.approx(31, abs=1)
    assert high == pytest.approx(215, abs=1)
    assert repeated.free.objective is not None
    assert repeated.free.objective < 0.5 * repeated.objective


def test_the_profile_of_R_D_is_never_below_the_fit_and_touches_it(repeated: study.Muennighoff) -> None:
    rise = repeated.profile / repeated.objective - 1
    assert rise.min() >= -1e-9
    assert rise.min() < 2e-4
    within = study.PLACES[rise <= 1e-3]
    assert within.min() == pytest.approx(31.4, rel=0.15)
    assert within.max() == pytest.approx(215, rel=0.15)


def test_half_worth_is_where_one_more_pass_is_worth_half_of_a_fresh_one() -> None:
    R_D = 15.387756
    step = 1e-6
    at = study.half_worth(R_D)
    slope = (study.worth(R_D, at + step) - study.worth(R_D, at - step)) / (2 * step)
    assert float(slope) == pytest.approx(0.5, abs=1e-6)
    assert float(study.worth(R_D, 4)) == pytest.approx(3.726, abs=6e-4)
