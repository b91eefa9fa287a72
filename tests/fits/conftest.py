"""What the tests of the fits share: the published points, and simulated sweeps whose truth is known."""

from collections.abc import Callable

import numpy as np
import pytest

from fits import RunTable, from_records, read_table
from planners.published import published

RATES = (0.05, 0.1, 0.2, 0.35, 0.6)


@pytest.fixture(scope="session")
def chinchilla_points() -> RunTable:
    """The 234 published points."""
    runs = published("chinchilla_kyotakano234")
    return read_table(runs.path, runs.columns)


@pytest.fixture(scope="session")
def sweep() -> Callable[..., RunTable]:
    """Build a sweep over r_a at one budget: L = floor + bend (ln r_a - ln best)^2 + noise, seeds shifting all arms."""

    def build(
        *,
        best: float = 0.2,
        bend: float = 0.02,
        floor: float = 2.5,
        noise: float = 0.0,
        shift: float = 0.0,
        rates: tuple[float, ...] = RATES,
        seeds: int = 1,
        random: int = 0,
    ) -> RunTable:
        rng = np.random.default_rng(random)
        shifts = shift * rng.standard_normal(seeds)
        rows = [
            {
                "N": 1e8,
                "N_a": 1e8 * rate,
                "C": 1e18,
                "D": 1e18 / (6e8 * rate),
                "n_experts": 64,
                "seed": seed,
                "loss": floor + bend * np.log(rate / best) ** 2 + shifts[seed] + noise * rng.standard_normal(),
            }
            for seed in range(seeds)
            for rate in rates
        ]
        return from_records(rows, source="simulated")

    return build
