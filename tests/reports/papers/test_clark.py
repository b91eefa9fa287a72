"""Routed models refitted: gold coefficients by router, and the sizes at which routing stops helping."""

import numpy as np
import pytest

from reports.papers.clark import study
from reports.papers.clark.page import note


@pytest.mark.parametrize(
    ("router", "gold", "rmse"),
    [
        ("S-Base", (-0.083025, -0.118044, 0.009925, 1.113580, 2.07457, 238.675), 0.0032275),
        ("RL-R", (-0.082730, -0.123417, 0.011233, 1.107013, 1.72193, 470.053), 0.0032292),
        ("Hash", (-0.087357, -0.138364, 0.012635, 1.159531, 4.26877, 427.323), 0.0029817),
    ],
)
def test_the_fits_are_the_gold_fits(routed: study.Clark, router: str, gold: tuple[float, ...], rmse: float) -> None:
    one = routed.router(router)
    np.testing.assert_allclose(list(one.params.values()), gold, rtol=1e-5, atol=6e-7)
    assert one.rmse == pytest.approx(rmse, abs=5.1e-8)


def test_dense_runs_alone_and_cutoffs(routed: study.Clark) -> None:
    dense = routed.dense.params
    assert dense["alpha_N"].value == pytest.approx(0.07862, abs=5.1e-6)
    assert dense["N_c"].value == pytest.approx(3.568e13, rel=2e-4)
    by_print = [study.cutoff(study.PRINTED[one.name].params) for one in routed.routers]
    np.testing.assert_allclose(by_print, [1e12, 10**10.5, 10 ** (34 / 3)], rtol=1e-9)
    for one in routed.routers:
        low, high = one.cutoff_ends
        assert low < study.CUTOFFS[one.name] < high


def test_each_routed_fit_gives_its_own_number_of_points(routed: study.Clark) -> None:
    for one in routed.routers:
        assert f"{one.name}: bootstrap with gamma weights of {len(one.loss)} points" in note(routed)
    assert len({len(one.loss) for one in routed.routers}) == 3
