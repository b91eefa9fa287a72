"""Differences of arms that were run with several seeds: paired by seed if the seeds are shared, otherwise by Welch.

The runs of one seed share initial state and data order. If both arms have the same seeds and the same validation set,
the difference is taken seed by seed, which removes what the seed adds to both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from fits.compare.samples import MeanEstimate, sample_mean, weighted_sum, welch

BySeed = Mapping[int, float]
"""Seed -> loss, or another number of the run with that seed."""
PAIRED, WELCH, SAME, NONE = "by seed", "Welch", "the same runs", "no interval"
BLOCKED = "Welch, seeds as blocks"
"""Methods of a difference, as reports print them."""


@dataclass(frozen=True, kw_only=True)
class SeedDifference(MeanEstimate):
    """Mean of one arm less the mean of another; `n` counts pairs of runs, runs of both arms, or seeds over arms."""

    how: str
    """by seed, Welch, the same runs, or no interval; for a mean over arms also Welch, seeds as blocks."""


def seed_difference(one: BySeed, other: BySeed, *, paired: bool) -> SeedDifference:
    """Return the mean of `other` less the mean of `one`; both hold at least one seed.

    `paired` says that runs with one seed may be compared with each other.
    """
    shared = sorted(one.keys() & other.keys()) if paired else []
    gaps = [other[seed] - one[seed] for seed in shared]
    if len(gaps) > 1:
        return _by(PAIRED, sample_mean(gaps))
    if len(one) > 1 and len(other) > 1:
        return _by(WELCH, welch(sample_mean(list(one.values())), sample_mean(list(other.values()))))
    if gaps:
        return SeedDifference(value=fmean(gaps), n=len(gaps), how=NONE)
    return SeedDifference(value=fmean(other.values()) - fmean(one.values()), n=len(one) + len(other), how=NONE)


def mean_seed_difference(pairs: Sequence[tuple[BySeed, BySeed]], *, paired: bool) -> SeedDifference | None:
    """Return the mean over pairs of arms of (second less first), over the seeds that all arms share; None without it.

    None means that one side has fewer than two seeds in common, so the differences have no common error.
    """
    ones, others = [one for one, _ in pairs], [other for _, other in pairs]
    gaps = [{seed: other[seed] - one[seed] for seed in one.keys() & other.keys()} for one, other in pairs]
    if paired and all(gaps):
        found = _blocked_mean(gaps)
        return None if found is None else _by(PAIRED, found)
    first, second = _blocked_mean(ones), _blocked_mean(others)
    return None if first is None or second is None else _by(BLOCKED, welch(first, second))


def _by(how: str, found: MeanEstimate) -> SeedDifference:
    return SeedDifference(value=found.value, n=found.n, variance=found.variance, dof=found.dof, how=how)


def _blocked_mean(arms: Sequence[BySeed]) -> MeanEstimate | None:
    """Return the mean over arms with seeds as blocks; None if fewer than two seeds are shared.

    Arms with seeds in common are averaged seed by seed, over the seeds that all of them have. Groups of arms without a
    common seed, such as arms of different budgets may be, are independent.
    """
    groups: list[list[BySeed]] = []
    for values in arms:
        home = next((group for group in groups if any(values.keys() & other.keys() for other in group)), None)
        home.append(values) if home is not None else groups.append([values])
    parts = []
    for group in groups:
        seeds = sorted(set.intersection(*(set(values) for values in group)))
        if len(seeds) < 2:
            return None
        means = [fmean(values[seed] for values in group) for seed in seeds]
        parts.append((len(group) / len(arms), sample_mean(means)))
    return weighted_sum(parts)
