"""True losses, their noise, and the coverage of intervals."""

import math
from dataclasses import replace

import numpy as np
import pytest

from fits import fit_law, from_records
from fits.simulate.coverage import Noise, measure_coverage
from fits.simulate.truth import truth_of
from planners.records.errors import UsageError


def plan_table(seeds=4, budgets=(1e12, 2e12)):
    rates = (0.1, 0.2, 0.4, 1.0)
    rows = [
        {"r_a": rate, "C": C, "N": 1e6, "n_experts": 8 * (rate < 1), "seed": seed, "loss": 1.0}
        for C in budgets for seed in range(seeds) for rate in rates
    ]  # fmt: skip
    return from_records(rows)


def test_the_truth_is_what_its_parameters_say():
    table = plan_table()
    truth = truth_of(
        "cubic", {"best": 0.2, "bend": 0.1, "skew": -0.02, "slope": -0.2, "move": 0.3, "dense": 0.4}, table
    )
    part = table.only(table.numbers("C") < 1.5e12)
    best, lowest = truth.optimum(part)
    assert best == pytest.approx(0.2 * 2**-0.15)
    assert lowest == pytest.approx(2.5 + 0.2 * math.log(2) / 2)
    u = math.log(0.4 / best)
    losses = dict(zip(part.rates().tolist(), truth.losses(part).tolist(), strict=True))
    assert losses[0.4] == pytest.approx(lowest + 0.1 * u**2 - 0.02 * u**3)
    assert losses[1.0] == pytest.approx(lowest + 0.4)


@pytest.mark.parametrize("family", ["gaussian", "t3"])
def test_noise_has_the_requested_sd_and_seed_blocks(family):
    table = plan_table(seeds=4000, budgets=(1e12,))
    noise = Noise(sd=0.01, seed_sd=0.03, family=family).draw(table, np.random.default_rng(0)).reshape(4000, 4)
    assert noise.mean(axis=1).std() == pytest.approx(math.hypot(0.03, 0.005), rel=0.1)
    assert (noise - noise.mean(axis=1, keepdims=True)).std() * math.sqrt(4 / 3) == pytest.approx(0.01, rel=0.15)


def test_coverage_counts_one_sided_intervals_and_skips_studies_without_an_optimum():
    table = plan_table(seeds=3, budgets=(1e12,))
    optimum = fit_law(table.only(table.rates() < 1), "quadratic").optimum

    def one(status, lo, hi, **others):
        return replace(optimum, status=status, lo=lo, hi=hi, **others)

    found = measure_coverage(
        [
            one("converged", 0.1, 0.3, loss_lo=2.4, loss_hi=2.6),
            one("converged", 0.25, 0.4, loss_lo=2.6, loss_hi=2.7),
            one("edge", None, 0.2, loss_lo=None, loss_hi=None),
            one("edge", 0.15, None, loss_lo=None, loss_hi=None),
            one("no_minimum", None, None),
        ],
        (0.1, 0.4),
        best=0.2,
        lowest=2.5,
    )
    assert found.statuses == {"converged": 0.4, "edge": 0.4, "not_identified": 0, "no_minimum": 0.2}
    assert (found.held, found.loss_held) == (0.75, 0.5)


def test_a_curve_needs_moe_runs():
    with pytest.raises(UsageError, match="plans no MoE run"):
        truth_of("cubic", {}, from_records([{"r_a": 1.0, "C": 1e12, "n_experts": 0, "loss": 1.0}]))


ACTIVATION = {"A": 400, "B": 410, "E": 1.7, "alpha": 0.34, "beta": 0.28, "kappa": 0.2, "r_star": 0.2,
              "drift_N": 0.0, "drift_C": 0.0}  # fmt: skip


def test_a_law_of_several_columns_is_a_truth_with_its_own_optimum():
    rates = np.geomspace(0.06, 0.6, 7)
    table = from_records([{"r_a": rate, "N": 1e9, "C": 1e20, "n_experts": 64, "loss": 1.0} for rate in rates.tolist()])
    truth = truth_of("activation", ACTIVATION, table)
    best, lowest = truth.optimum(table)
    assert best == pytest.approx(0.2, rel=1e-3)
    assert lowest == pytest.approx(1.7 + 400 * 1e9**-0.34 + 410 * (1e20 / 6e9) ** -0.28, rel=1e-6)
    assert truth.losses(table).min() >= lowest
