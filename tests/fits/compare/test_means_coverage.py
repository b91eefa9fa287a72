"""Intervals of differences of arms cover the truth at 95 %, whatever seeds and variances do (simulated)."""

import math

import numpy as np
import pytest

from fits.compare.means import ArmMeans

ARMS = 5
CASES = {  # (SD of the MoE seed effect, SD of dense's own, correlation of the two, SDs of the MoE noise, SD of dense's)
    "no seed effect": (0.0, 0.0, 0.0, [0.01] * ARMS, 0.01),
    "MoE seeds shared": (0.01, 0.0, 0.0, [0.01] * ARMS, 0.01),
    "dense has its own seed effect": (0.01, 0.02, 0.0, [0.01] * ARMS, 0.01),
    "dense shares the seed effect": (0.02, 0.02, 1.0, [0.005] * ARMS, 0.005),
    "noisy dense": (0.01, 0.0, 0.0, [0.005] * ARMS, 0.04),
    "noisy MoE": (0.01, 0.0, 0.0, [0.03] * ARMS, 0.005),
    "noise grows with the rate": (0.005, 0.005, 0.0, [0.006, 0.01, 0.015, 0.025, 0.042], 0.01),
}


def coverage(case: str, seeds: int, studies: int) -> dict[str, float]:
    """Return the share of studies whose interval holds the truth: of a lead, and of the ends of the MoE arms."""
    moe, own, correlation, sds, dense = CASES[case]
    random, held = np.random.default_rng(len(case) * 100 + seeds), {"lead": 0, "chosen lead": 0, "MoE": 0}
    names = [*[f"K{at}" for at in range(ARMS)], "dense"]
    arms = [name for name in names for _ in range(seeds)]
    families = [name == "dense" for name in arms]
    for _ in range(studies):
        shared = random.normal(0, 1, seeds)
        alone = correlation * shared + math.sqrt(1 - correlation**2) * random.normal(0, 1, seeds)
        loss = [moe * shared + random.normal(0, sd, seeds) for sd in sds]
        loss.append(own * alone + random.normal(0, dense, seeds))
        found = ArmMeans(arms, [*range(seeds)] * len(names), np.concatenate(loss).tolist(), families)
        best = names[int(np.argmin([values.mean() for values in loss[:-1]]))]
        pairs = {"lead": ("dense", "K0", 1), "chosen lead": ("dense", best, ARMS), "MoE": ("K4", "K0", 1)}
        for kind, (one, other, tried) in pairs.items():
            difference = found.difference(one, other)
            half = difference.half(tried)
            assert half is not None
            held[kind] += abs(difference.value) <= half  # every true difference is zero
    return {kind: count / studies for kind, count in held.items()}


@pytest.mark.parametrize("case", ["dense has its own seed effect", "noisy dense"])
def test_leads_keep_their_level_where_one_pooled_variance_did_not(case):
    assert coverage(case, 3, 150)["lead"] > 0.95 - 2.6 * math.sqrt(0.95 * 0.05 / 150)


@pytest.mark.soak
@pytest.mark.parametrize("seeds", [3, 6])
@pytest.mark.parametrize("case", CASES)
def test_leads_and_differences_keep_95_percent(case, seeds):
    found = coverage(case, seeds, 1000)
    print(f"{case}, {seeds} seeds: " + ", ".join(f"{kind} {share:.3f}" for kind, share in found.items()))
    error = math.sqrt(0.95 * 0.05 / 1000)
    assert found["lead"] > 0.95 - 2.6 * error
    assert found["chosen lead"] > 0.95 - 2.6 * error
    assert found["MoE"] > 0.90 - 2.6 * error  # the test of equal noise has little power at three seeds
