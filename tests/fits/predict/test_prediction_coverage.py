"""Prediction intervals hold the truth about as often as they say, threefold beyond the runs. The full table is made by
`python -m benchmarks.extrapolation`."""

import math

import numpy as np
import pytest
from made_ladders import TRUTH, best_size, dense_runs

from fits import fit_law, from_records

pytestmark = pytest.mark.soak


def test_intervals_of_a_dense_law_threefold_beyond_the_runs():
    held = {"N": 0, "D_per_N": 0, "loss": 0}
    studies, C, noise = 120, 3e20, 0.004
    size = best_size(C)
    loss = TRUTH["E"] + TRUTH["A"] / size ** TRUTH["alpha"] + TRUTH["B"] / (C / 6 / size) ** TRUTH["beta"]
    for seed in range(studies):
        found = fit_law(from_records(dense_runs(noise=noise, seed=seed)), "chinchilla", seed=seed).allocate(C)
        came = loss * math.exp(noise * np.random.default_rng(10_000 + seed).standard_normal())
        for name, truth in (("N", size), ("D_per_N", C / 6 / size**2), ("loss", came)):
            one = found.of(name)
            held[name] += one.lo <= truth <= one.hi
    assert all(count / studies >= 0.9 for count in held.values()), held
