"""Mean losses of arms and their differences: comparisons that need no curve.

Seeds are blocks only among arms of one family, which can share an initial state and data order: MoE arms of one shape.
A dense model cannot start from the weights of an MoE model, so arms of two families are independent (Welch), unless
their losses are measured to move together over seeds. Where the noise differs between the arms of a family
(Bartlett's test), their differences are taken seed by seed, or by Welch, and not with one pooled variance.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fits.compare.samples import MeanEstimate, sample_mean, welch
from fits.compare.variances import equal_variances
from fits.intervals import LEVEL, half_width, t_quantile, t_test
from fits.runs.table import Floats

BLOCKED, PAIRED, WELCH, POOLED = "seeds as blocks", "by seed", "Welch", "one pooled variance"
"""How the standard error of a difference was found."""
ENOUGH_PAIRS = 4
"""Shared seeds from which a correlation over seeds can decide on pairing."""
MOVE_TOGETHER = 0.01
"""p of the correlation below which arms of two families are paired (at 0.05 chance pairs made intervals too narrow)."""
UNEQUAL = 0.2
"""p of Bartlett's test below which no pooled variance is used: with three seeds it rarely falls below 0.05."""


@dataclass(frozen=True, kw_only=True)
class ArmDifference:
    """The mean loss of one arm less that of another."""

    value: float
    """Nats per token; with blocks, it is adjusted for seeds that only one of the arms has."""
    se: float | None
    """Standard error, see `how`; null without degrees of freedom."""
    dof: float
    """Its degrees of freedom."""
    plain_se: float | None
    """Standard error with one pooled variance and without blocks; null without degrees of freedom."""
    plain_dof: int
    """Its degrees of freedom."""
    how: str
    """seeds as blocks, by seed, Welch, or one pooled variance."""
    parts: tuple[tuple[float, float], ...] = ()
    """For Welch: the variance of each mean with its degrees of freedom."""
    correlation: float | None = None
    """Correlation of the two arms over shared seeds; null within a family, and below four shared seeds."""

    @property
    def blocked(self) -> bool:
        """Whether the seeds are blocks or pairs."""
        return self.how in (BLOCKED, PAIRED)

    def half(self, tried: int = 1) -> float | None:
        """Return half the 95 % interval, with a Bonferroni correction if the pair was chosen among `tried`."""
        if self.se is None:
            return None
        level = 1 - (1 - LEVEL) / tried
        return half_width(*self.parts, level=level) if self.parts else t_quantile(self.dof, level) * self.se

    def p(self, tried: int = 1) -> float | None:
        """Return the two-sided p of no difference, with the same correction; None without a standard error."""
        return None if self.se is None else min(1.0, tried * t_test(self.value, self.se, self.dof))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fit:
    coefficients: Floats
    """Means of the arms; with seeds as blocks, up to a constant that differences do not see."""
    inverse: Floats
    """Inverse of the normal equations of the arms."""
    variance: float
    dof: int

    def of(self, weights: Floats) -> tuple[float, float | None]:
        """Return a contrast of the arms' means, whose weights sum to 0, and its standard error."""
        spread = float(weights @ self.inverse @ weights)
        return float(weights @ self.coefficients), math.sqrt(self.variance * spread) if self.dof > 0 else None


class ArmMeans:
    """Mean loss of each arm, fitted together with the seeds of its family."""

    def __init__(
        self,
        arms: Sequence[str],
        seeds: Sequence[object],
        loss: Sequence[float],
        families: Sequence[object] | None = None,
    ):
        """Fit the means; each argument holds one entry for each run. Without `families` all arms are of one."""
        families = [None] * len(arms) if families is None else families
        self.names = list(dict.fromkeys(arms))
        self._family = dict(zip(arms, families, strict=True))
        self._runs: dict[str, dict[object, list[float]]] = {name: {} for name in self.names}
        for arm, seed, value in zip(arms, seeds, loss, strict=True):
            self._runs[arm].setdefault(seed, []).append(float(value))
        self._plain = self._solved(self.names, blocked=False)
        members = {of: [name for name in self.names if self._family[name] == of] for of in self._family.values()}
        self._blocked = {of: self._fit_of(names) for of, names in members.items()}
        self._equal = {of: self._equal_noise(names) for of, names in members.items()}

    def difference(self, one: str, other: str) -> ArmDifference:
        """Return the mean loss of the arm `one` less the mean loss of `other`, both by name."""
        value, plain_se = self._plain.of(self._weights(self.names, one, other))
        family, correlation, how = self._family[one], None, POOLED
        if family != self._family[other]:
            found, how, correlation = self._across(one, other)
        elif not self._equal[family]:
            found, how = self._apart(one, other)
        else:
            names = [name for name in self.names if self._family[name] == family]
            fit = self._blocked[family]
            how = POOLED if fit is None else BLOCKED
            fit = fit or self._solved(names, blocked=False)
            value, se = fit.of(self._weights(names, one, other))
            found = MeanEstimate(value=value, n=0, variance=None if se is None else se**2, dof=fit.dof)
        return ArmDifference(
            value=found.value,
            se=None if found.variance is None else math.sqrt(found.variance),
            dof=found.dof,
            plain_se=plain_se,
            plain_dof=self._plain.dof,
            how=how,
            parts=tuple(self._mean_variances(one, other)) if how == WELCH else (),
            correlation=correlation,
        )

    @property
    def noise(self) -> tuple[float, int]:
        """Variance of a run with one noise for all arms and seeds as blocks, and its degrees of freedom."""
        fit = self._shared
        return fit.variance, fit.dof

    def contrast(self, weights: Mapping[str, float], noise: tuple[float, int] | None = None) -> MeanEstimate:
        """Return a weighted sum of the arms' means, whose weights sum to 0, with `noise` or the noise of all arms."""
        fit = self._shared
        variance, dof = noise or self.noise
        vector = np.array([weights.get(name, 0.0) for name in self.names])
        spread = float(vector @ fit.inverse @ vector)
        return MeanEstimate(
            value=float(vector @ fit.coefficients),
            n=sum(len(self._losses(name)) for name in weights),
            variance=variance * spread if dof > 0 else None,
            dof=dof,
        )

    @property
    def _shared(self) -> _Fit:
        """The fit of all arms with seeds as blocks, or without where the runs cannot separate seeds from arms."""
        return self._fit_of(self.names) or self._plain

    def _across(self, one: str, other: str) -> tuple[MeanEstimate, str, float | None]:
        """Return the difference of arms of two families: by seed only where their losses move together over seeds."""
        pairs = self._pairs(one, other)
        if len(pairs) < ENOUGH_PAIRS or min(np.ptp(pairs, axis=0)) == 0:
            return self._welch(one, other), WELCH, None
        correlation, dof = float(np.corrcoef(pairs[:, 0], pairs[:, 1])[0, 1]), len(pairs) - 2
        if t_test(correlation, math.sqrt(max(0.0, 1 - correlation**2) / dof), dof) < MOVE_TOGETHER:
            return sample_mean((pairs[:, 0] - pairs[:, 1]).tolist()), PAIRED, correlation
        return self._welch(one, other), WELCH, correlation

    def _apart(self, one: str, other: str) -> tuple[MeanEstimate, str]:
        """Return the difference of arms of one family with unequal noise: by seed where all seeds are shared."""
        pairs = self._pairs(one, other)
        if len(pairs) > 1 and self._runs[one].keys() == self._runs[other].keys():
            return sample_mean((pairs[:, 0] - pairs[:, 1]).tolist()), PAIRED
        return self._welch(one, other), WELCH

    def _welch(self, one: str, other: str) -> MeanEstimate:
        return welch(sample_mean(self._losses(other)), sample_mean(self._losses(one)))

    def _mean_variances(self, *names: str) -> Iterator[tuple[float, float]]:
        """Yield the variance of the mean of each arm with its degrees of freedom; nothing for an arm of one run."""
        for mean in (sample_mean(self._losses(name)) for name in names):
            if mean.variance is not None:
                yield mean.variance, mean.dof

    def _pairs(self, one: str, other: str) -> Floats:
        """Return the mean losses of both arms at each seed that they share, shape (seeds, 2)."""
        ours, theirs = self._runs[one], self._runs[other]
        shared = [seed for seed in ours if seed in theirs]
        return np.array([(np.mean(ours[seed]), np.mean(theirs[seed])) for seed in shared]).reshape(-1, 2)

    def _losses(self, name: str) -> list[float]:
        return [value for values in self._runs[name].values() for value in values]

    def _equal_noise(self, names: Sequence[str]) -> bool:
        found = equal_variances(map(self._losses, names))
        return found is None or found.bartlett >= UNEQUAL

    def _weights(self, names: Sequence[str], one: str, other: str) -> Floats:
        return np.array([float(name == one) - float(name == other) for name in names])

    def _fit_of(self, names: Sequence[str]) -> _Fit | None:
        """Return the fit of the arms with seeds as blocks; None if the runs cannot separate seeds from arms."""
        try:
            return self._solved(names, blocked=True)
        except np.linalg.LinAlgError:
            return None

    def _solved(self, names: Sequence[str], *, blocked: bool) -> _Fit:
        """Return the least-squares fit. Raises LinAlgError where the runs cannot separate seeds from arms.

        The seeds, of which there may be thousands, are eliminated from the normal equations of the arms.
        """
        runs = [
            (at, seed, loss) for at, of in enumerate(names) for seed, some in self._runs[of].items() for loss in some
        ]
        known = {seed: at for at, seed in enumerate(dict.fromkeys(seed for _, seed, _ in runs if blocked))}
        arm, loss = np.array([at for at, _, _ in runs]), np.array([value for _, _, value in runs])
        normal, sums = np.diag(np.bincount(arm).astype(float)), np.bincount(arm, loss)
        level = np.zeros(len(loss))
        if blocked:
            block = np.array([known[seed] for _, seed, _ in runs])
            counts = np.zeros((len(names), len(known)))
            np.add.at(counts, (arm, block), 1)
            share, of_seed = counts / counts.sum(axis=0), np.bincount(block, loss)
            normal, sums = normal - share @ counts.T, sums - share @ of_seed
            if len(known) < 2 or int(np.linalg.matrix_rank(normal)) < len(names) - 1:
                raise np.linalg.LinAlgError
        inverse = np.asarray(np.linalg.pinv(normal, hermitian=True), float)
        coefficients = np.asarray(inverse @ sums, float)
        if blocked:
            level = ((of_seed - counts.T @ coefficients) / counts.sum(axis=0))[block]
        dof = len(loss) - len(names) - max(0, len(known) - 1)
        residual = float(np.sum((loss - coefficients[arm] - level) ** 2))
        return _Fit(coefficients=coefficients, inverse=inverse, variance=residual / dof if dof else math.nan, dof=dof)
