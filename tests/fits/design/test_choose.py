"""The choice of the next runs, on curves that are known."""

import itertools
import math

import numpy as np
import pytest

from fits.design.choose import CandidateCell, OpenSeries, choose
from fits.design.gains import best_split, lead_width, reuse_power
from fits.design.truths import Known, known_of
from fits.design.width import Design, expected_width, simulated_width, within_of
from fits.repeats.tost import tost

RATES = np.log([0.08, 0.12, 0.2, 0.35, 0.6])
SD = 0.01


def design_of(seeds: int) -> Design:
    pairs = list(itertools.product(RATES.tolist(), range(seeds)))
    return Design(x=tuple(x for x, _ in pairs), seeds=tuple(seed for _, seed in pairs))


def losses_of(design: Design, seed: int = 1) -> np.ndarray:
    """A parabola with its minimum at 0.2, with noise of runs and of seeds."""
    random = np.random.default_rng(seed)
    x = np.array(design.x)
    shifts = 0.02 * random.standard_normal(100)
    return 3 + 0.1 * (x - math.log(0.2)) ** 2 + shifts[list(design.seeds)] + SD * random.standard_normal(len(x))


@pytest.fixture(scope="module")
def opened() -> OpenSeries:
    design = design_of(3)
    known = known_of(design.data(losses_of(design)))
    assert known is not None
    cells = tuple(CandidateCell(name=f"{math.exp(x):.2g}", x=x, cost=1.0) for x in RATES.tolist())
    return OpenSeries(design=design, known=known, cells=cells, within=within_of([design]), new_seeds=(10, 11, 12, 13))


def test_the_known_noise_and_minimum_are_those_of_the_runs(opened: OpenSeries) -> None:
    assert opened.known.sd == pytest.approx(SD, rel=0.4)
    low, middle, high = (curve.best for curve in opened.known.curves)
    assert low <= middle <= high
    assert math.exp(middle) == pytest.approx(0.2, rel=0.2)
    assert opened.known.is_open == (False, False)
    losses = opened.known.curves[1].losses(RATES)
    assert losses.min() < 0.005
    assert losses - losses.min() == pytest.approx(0.1 * (RATES - math.log(0.2)) ** 2, abs=0.02)


def test_the_expected_width_is_that_of_the_median_simulated_study(opened: OpenSeries) -> None:
    for seeds in (3, 6):
        design = design_of(seeds)
        simulated = simulated_width(design, opened.known, opened.within, studies=60)
        expected = expected_width(design, opened.known, opened.within)
        assert simulated.width == pytest.approx(expected, rel=0.3)
        assert simulated.held > 0.9
    few, many = (expected_width(design_of(seeds), opened.known, opened.within) for seeds in (3, 12))
    assert many < 0.6 * few


def test_a_seed_of_a_single_run_tells_nothing(opened: OpenSeries) -> None:
    """Its block takes up the run."""
    alone = opened.design + Design(x=(RATES[0],), seeds=(50,))
    before, after = (expected_width(one, opened.known, opened.within) for one in (opened.design, alone))
    assert after == pytest.approx(before, rel=1e-3)


def test_the_choice_is_no_wider_than_further_seeds_of_all_rates(opened: OpenSeries) -> None:
    chosen = choose([opened], 5)
    assert 2 <= len(chosen) <= 5
    assert len(set(chosen)) == len(chosen)
    new = [run.seed for run in chosen if run.seed not in opened.design.seeds]
    assert all(new.count(seed) > 1 for seed in new)
    made = Design(x=tuple(run.cell.x for run in chosen), seeds=tuple(run.seed for run in chosen))
    plain = Design(x=tuple(RATES.tolist()), seeds=(10,) * 5)
    widths = [expected_width(opened.design + more, opened.known, opened.within) for more in (made, plain)]
    assert widths[0] <= widths[1] * 1.001


def test_what_costs_too_much_is_not_chosen(opened: OpenSeries) -> None:
    dear = tuple(CandidateCell(name=cell.name, x=cell.x, cost=10.0) for cell in opened.cells)
    series = OpenSeries(**{**vars(opened), "cells": dear})
    assert choose([series], 9.0) == ()
    assert sum(run.cell.cost for run in choose([series], 25.0)) <= 25.0


def test_a_series_that_is_known_gets_no_runs(opened: OpenSeries) -> None:
    sure = Known(curves=opened.known.curves, sd=1e-5, is_open=opened.known.is_open)
    series = [OpenSeries(**{**vars(opened), "known": sure}), opened]
    assert {run.series for run in choose(series, 4)} == {1}


def test_gains_of_means_against_simulation_and_theory() -> None:
    losses = ([1.0, 1.1, 1.2], [0.5, 0.505, 0.51])
    assert best_split(losses, (1.0, 1.0), 6) == (6, 0)
    assert best_split(([1.0, 1.1], [2.0, 2.1]), (1.0, 1.0), 6) == (3, 3)
    assert lead_width(losses, (6, 0), 400) < 0.6 * lead_width(losses, (0, 0), 1)
    random = np.random.default_rng(3)
    drawn = 0.01 * random.standard_normal((400, 8))
    found = np.mean([tost(float(row.mean()), float(row.std(ddof=1)) / 8**0.5, 7, 0.01) < 0.05 for row in drawn])
    assert reuse_power(0.01, 0.01, 3, 5) == pytest.approx(found, abs=0.07)
