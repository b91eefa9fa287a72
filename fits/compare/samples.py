"""Means of small samples with their standard errors, their sums and differences (Welch), SDs, and the sign test."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from fits.intervals import LEVEL, t_quantile


@dataclass(frozen=True, kw_only=True)
class MeanEstimate:
    """A mean, or a weighted sum of means."""

    value: float
    """The estimate."""
    n: int
    """Observations behind it."""
    variance: float | None = None
    """Squared standard error; null if nothing is left to estimate it from."""
    dof: float = 0.0
    """Degrees of freedom of the variance."""

    def half(self, tried: int = 1) -> float | None:
        """Return half the 95 % t interval, with a Bonferroni correction for a choice among `tried` estimates."""
        if self.variance is None:
            return None
        return t_quantile(self.dof, 1 - (1 - LEVEL) / tried) * math.sqrt(self.variance)

    @property
    def ends(self) -> tuple[float, float] | tuple[None, None]:
        """Ends of the 95 % t interval; null without a variance."""
        half = self.half()
        return (None, None) if half is None else (self.value - half, self.value + half)


def sample_mean(values: Sequence[float]) -> MeanEstimate:
    """Return the mean of one or more values."""
    n = len(values)
    if n < 2:
        return MeanEstimate(value=float(values[0]), n=n)
    return MeanEstimate(value=fmean(values), n=n, variance=variance(values) / n, dof=n - 1)


def weighted_sum(parts: Sequence[tuple[float, MeanEstimate]]) -> MeanEstimate:
    """Return the sum of weight * estimate over independent estimates; without a variance if one of them has none.

    The degrees of freedom are those of F. E. Satterthwaite (Biometrics 2 (1946) 110).
    """
    value, n = sum(weight * one.value for weight, one in parts), sum(one.n for _, one in parts)
    known = [(weight**2 * one.variance, one.dof) for weight, one in parts if one.variance is not None]
    if len(known) < len(parts):
        return MeanEstimate(value=value, n=n)
    total, squares = sum(each for each, _ in known), sum(each**2 / dof for each, dof in known)
    return MeanEstimate(
        value=value, n=n, variance=total, dof=total**2 / squares if squares > 0 else sum(dof for _, dof in known)
    )


def welch(one: MeanEstimate, other: MeanEstimate) -> MeanEstimate:
    """Return `other` less `one`: two independent means of unequal variance (B. L. Welch, Biometrika 34 (1947) 28)."""
    return weighted_sum([(-1.0, one), (1.0, other)])


def sd(values: Sequence[float]) -> float | None:
    """Return the standard deviation, with n - 1 degrees of freedom; None for fewer than two values."""
    return math.sqrt(variance(values)) if len(values) > 1 else None


def pooled_sd(groups: Iterable[Sequence[float]]) -> float | None:
    """Return the SD within groups, pooled over groups of two or more; None without such a group."""
    several = [values for values in groups if len(values) > 1]
    dof = sum(len(values) - 1 for values in several)
    return math.sqrt(sum((len(values) - 1) * variance(values) for values in several) / dof) if dof else None


def sign_test(wins: int, n: int) -> float:
    """Return the two-sided p of `wins` in n comparisons if both sides win equally often."""
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(wins, n - wins), n, 0.5)))
