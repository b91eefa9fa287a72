"""Optimal size refitted: published exponents, the order of the corrections, and the slopes and minima behind them."""

import numpy as np
import pytest

from reports.papers.porian import study
from reports.papers.porian.claims import claims
from reports.papers.porian.figures import FIGURES
from reports.papers.porian.page import answer


def test_allocation_exponents_are_reproduced(allocation: study.Porian) -> None:
    assert len(allocation.settings) == 10
    assert len(allocation.steps) == 5
    for one in allocation.settings.values():
        assert one.plain.value == pytest.approx(one.printed[0], rel=1e-8)
        if one.weighted.value != one.plain.value:
            assert one.weighted.value == pytest.approx(one.printed[1], rel=1e-8)
        assert one.plain.lo < one.plain.value < one.plain.hi


def test_tuning_follows_the_warm_up_and_not_the_decay(allocation: study.Porian) -> None:
    """The last setting has no decay, so neither the answer nor a caption may add it to the decay."""
    moves = {label: (before, after) for label, before, after in allocation.moves}
    for label in (study.DECAYED, study.TUNED):
        before, after = moves[label]
        assert before is allocation.steps[study.WARMED]
        assert (after.name[2] == "chinchilla") == (label == study.DECAYED)
        found = f"{before.plain.value:.3f} to {after.plain.value:.3f}"
        assert f"{label} {found}" in claims(allocation)[1].found
    said = answer(allocation)
    decayed, tuned = (allocation.steps[label].plain for label in (study.DECAYED, study.TUNED))
    assert f"decay to the end of each run takes it to {decayed.value:.3f} (" in said
    assert f"without decay takes it to {tuned.value:.3f} (" in said
    for name in ("porian_sizes", "porian_exponents"):
        assert f"except for the last ({study.TUNED})" in FIGURES[name].caption(allocation)


def test_the_interval_of_a_slope_is_that_of_an_independent_regression(allocation: study.Porian) -> None:
    from scipy.stats import linregress, t

    one = next(iter(allocation.settings.values()))
    line = linregress(np.log(one.C), np.log(one.N))
    half = t.ppf(0.975, len(one.C) - 2) * line.stderr
    assert one.plain.lo == pytest.approx(line.slope - half, rel=1e-9)
    assert one.plain.hi == pytest.approx(line.slope + half, rel=1e-9)
    assert one.plain.factor == pytest.approx(np.exp(line.intercept), rel=1e-6)


def test_a_parabola_through_a_parabola_is_exact() -> None:
    C, N = np.repeat([1e18, 1e20], 7), np.tile(np.geomspace(1e7, 1e8, 7), 2)
    loss = 3 + 0.1 * (np.log(N) - np.log(np.where(C < 1e19, 3e7, 4e7))) ** 2
    found = study.lowest(C, N, loss)
    np.testing.assert_allclose(found[1], [3e7, 4e7], rtol=1e-6)
    np.testing.assert_allclose(found[2], 3, rtol=1e-9)
    assert len(study.lowest(C, N, -loss)[0]) == 0
