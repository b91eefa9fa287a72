"""Crossings of MoE and dense losses: against the roots, coverage by simulation, and all cases without a crossing."""

import math

import numpy as np
import pytest

from fits import fit_law, from_records
from fits.curve.crossings import crossings
from fits.laws import curves

RATES = (0.08, 0.12, 0.2, 0.35, 0.6)
BEND = 0.1


def study(excess, *, noise=0.004, shift=0.01, seeds=3, random=0, best=0.2, arms=("dense",)):
    """A sweep whose dense arms are `excess` nats above the best MoE arm."""
    draw = np.random.default_rng(random)
    shifts = shift * draw.standard_normal(seeds)
    rows = []
    for seed in range(seeds):
        for rate in RATES:
            loss = 2.5 + BEND * math.log(rate / best) ** 2 + shifts[seed] + noise * draw.standard_normal()
            rows.append({"arm": f"r{rate}", "r_a": rate, "n_experts": 16, "seed": seed, "loss": loss})
        for arm in arms:
            loss = 2.5 + excess + shifts[seed] + noise * draw.standard_normal()
            rows.append({"arm": arm, "r_a": 1.0, "n_experts": 0, "seed": seed, "loss": loss})
    return from_records(rows)


def test_without_noise_crossings_equal_the_roots():
    excess = 0.04
    low, high = fit_law(study(excess, noise=0.0), "quadratic").crossings
    half = math.sqrt(excess / BEND)
    assert (low.side, high.side, low.dense) == ("low", "high", "dense")
    assert low.value == pytest.approx(0.2 * math.exp(-half), rel=1e-7)
    assert high.value == pytest.approx(0.2 * math.exp(half), rel=1e-7)
    assert low.status == high.status == "converged"


def test_intervals_have_their_nominal_coverage():
    half, held, count = math.sqrt(0.04 / BEND), 0, 120
    for random in range(count):
        low, high = crossings(study(0.04, random=random), curves()["cubic"], "r_a")
        for each, truth in ((low, 0.2 * math.exp(-half)), (high, 0.2 * math.exp(half))):
            held += (each.lo or 0) <= truth <= (each.hi or 1)
    assert 0.93 < held / (2 * count) < 1


def test_a_dense_arm_above_all_of_the_curve_is_an_edge():
    low, high = fit_law(study(0.5), "cubic").crossings
    assert (low.status, high.status, low.value, high.value) == ("edge", "edge", None, None)
    assert "still below" in low.reason


def test_a_dense_arm_below_or_near_the_lowest_point_is_not_crossed():
    for excess, causes in ((-0.05, {"always_higher"}), (0.001, {"always_higher", "undecided"})):
        for each in fit_law(study(excess, random=3), "cubic").crossings:
            assert (each.status, each.value) == ("not_identified", None)
            assert each.why in causes


def test_each_dense_arm_has_its_own_crossings():
    found = fit_law(study(0.04, arms=("dense", "small dense")), "cubic").crossings
    assert [(each.dense, each.side) for each in found] == [
        (arm, side) for arm in ("dense", "small dense") for side in ("low", "high")
    ]


def test_without_a_dense_arm_nothing_is_crossed():
    assert fit_law(study(0.04, arms=()), "cubic").crossings == ()
