"""What further seeds bring to a comparison of means: the lead of MoE over dense, and the test of repeated data."""

from collections.abc import Sequence

import numpy as np

from fits.intervals import half_width
from fits.repeats.tost import equivalence_power

Counts = tuple[int, int]


def lead_width(losses: tuple[Sequence[float], Sequence[float]], more: Counts, studies: int, seed: int = 0) -> float:
    """Return the mean half width of the 95 % interval of the difference of two means (Welch), nats per token.

    `losses` are those of the two arms so far, two or more each; `more` are further runs of each. The variances of the
    further studies are drawn around those of the losses.
    """
    counts = [len(one) + extra for one, extra in zip(losses, more, strict=True)]
    variances = [float(np.var(one, ddof=1)) for one in losses]
    if not any(more):
        return half_width(*_parts(variances, counts))
    random = np.random.default_rng(seed)
    drawn = [
        variance * random.chisquare(count - 1, studies) / (count - 1)
        for variance, count in zip(variances, counts, strict=True)
    ]
    return float(np.mean([half_width(*_parts(pair, counts)) for pair in np.transpose(drawn).tolist()]))


def _parts(variances: Sequence[float], counts: Sequence[int]) -> list[tuple[float, float]]:
    return [(variance / n, n - 1.0) for variance, n in zip(variances, counts, strict=True)]


def best_split(losses: tuple[Sequence[float], Sequence[float]], costs: tuple[float, float], allowance: float) -> Counts:
    """Return how many further runs of each arm, within the allowance, give the smallest variance of the difference."""
    variances = [float(np.var(one, ddof=1)) for one in losses]

    def variance(more: Counts) -> float:
        return sum(v / (len(one) + k) for v, one, k in zip(variances, losses, more, strict=True))

    first = range(int(allowance / costs[0] + 1e-9) + 1)
    pairs = [(one, int((allowance - one * costs[0]) / costs[1] + 1e-9)) for one in first]
    return min(pairs, key=variance)


def reuse_power(margin: float, sd: float, n: int, more: int) -> float:
    """Return the power of the equivalence test with `n` + `more` differences, if repetition costs nothing."""
    return equivalence_power(margin, sd, n + more)
