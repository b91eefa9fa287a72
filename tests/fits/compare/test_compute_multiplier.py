"""The compute multiplier: known factors are found, in FLOPs and in time, and the interval holds them."""

import math

import numpy as np
import pytest

from fits import fit_study, from_records
from fits.compare.compute_multiplier import NO_DENSE, ONE_BUDGET, Cost, compute_multipliers

BUDGETS = (1e18, 2e18, 4e18, 8e18)


def study(factor=2.0, noise=0.0, seeds=3, budgets=BUDGETS, seed=0, dense=True):
    """Dense and two MoE arms; the better one needs 1 / `factor` of the compute and runs at a third of the speed."""
    random, rows = np.random.default_rng(seed), []
    for C in budgets:
        for arm, rate, gain, speed in (("dense", 1.0, 1.0, 3.0), ("K2", 0.2, factor, 1.0), ("K8", 0.6, 1.1, 2.0)):
            for number in range(seeds if dense or arm != "dense" else 0):
                loss = 3.0 - 0.1 * math.log(C * gain / 1e18) + noise * random.standard_normal()
                row = {"arm": arm, "r_a": rate, "n_experts": 1 if rate == 1 else 64, "N": 1e8, "C": C, "loss": loss}
                D = C / (6e8 * rate)
                rows.append({**row, "D": D, "tokens_per_s": D / C * speed * 1e10, "seed": number})
    return from_records(rows)


def test_a_known_multiplier_is_found_in_flops_and_in_time():
    found, why_not = compute_multipliers(study(noise=1e-4))
    assert why_not is None
    best = [one for one in found if one.best and one.value is not None]
    assert {one.moe for one in best} == {"K2"}
    for one in best:
        expected = 2.0 if one.cost is Cost.FLOPS else 2.0 / 3
        assert math.exp(one.value) == pytest.approx(expected, rel=0.01)
        assert one.lo is None or one.lo <= one.value
    assert any(one.lo is not None and one.hi is not None for one in best)


def test_beyond_the_budgets_it_is_a_bound():
    """At the lowest dense budget the MoE arm is better with its least compute: a bound and not a number."""
    first = next(one for one in compute_multipliers(study(noise=1e-4))[0] if one.moe == "K2" and one.C == 1e18)
    assert (first.value, first.hi) == (None, None)
    assert first.lo == pytest.approx(0.0, abs=1e-6)
    assert "above 1-fold" in first.factor


def test_its_interval_holds_the_truth():
    held, stated = 0, 0
    for seed in range(60):
        for one in compute_multipliers(study(noise=0.01, budgets=BUDGETS[:3], seed=seed))[0]:
            if one.cost is Cost.FLOPS and one.moe == "K2" and one.C == 2e18:
                stated += 1
                lo, hi = -math.inf if one.lo is None else one.lo, math.inf if one.hi is None else one.hi
                held += lo <= math.log(2) <= hi
    assert stated == 60
    assert held / stated >= 0.88


def test_why_there_is_none():
    assert compute_multipliers(study(budgets=(1e18,))) == ((), ONE_BUDGET)
    assert compute_multipliers(study(dense=False)) == ((), NO_DENSE)
    assert compute_multipliers(from_records([{"N": 1e8, "D": 1e9, "loss": 3.0}])) == ((), None)


def test_a_study_states_it():
    found = fit_study(study(noise=0.003, seeds=2), ["quadratic"])
    assert found.multipliers
    assert "[[Compute multiplier]] of the MoE arm with the lowest loss at each budget" in str(found)
    assert "withheld" in str(fit_study(study(noise=0.003, seeds=2, budgets=(1e18,)), ["quadratic"]))
