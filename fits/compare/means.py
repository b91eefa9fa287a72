"""Mean losses of arms and their differences, with seeds as blocks: comparisons that need no curve.

The arms of one seed share initial state and data order, so a seed shifts all of them together. The standard error of a
difference uses the residuals of a model in which each seed has its own intercept. All arms are assumed to have the same
noise, which pools their degrees of freedom. The standard error without blocks is given as well.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fits.intervals import LEVEL, t_quantile
from fits.runs.table import Floats


@dataclass(frozen=True, kw_only=True)
class ArmDifference:
    """The mean loss of one arm less that of another."""

    value: float
    """Nats per token; with blocks, it is adjusted for seeds that only one of the arms has."""
    se: float | None
    """Standard error with seeds as blocks; null without degrees of freedom."""
    dof: int
    """Its degrees of freedom."""
    plain_se: float | None
    """Standard error without blocks; null without degrees of freedom."""
    plain_dof: int
    """Its degrees of freedom."""
    blocked: bool
    """Whether the seeds are blocks; False for one seed, and if the runs cannot separate seeds from arms."""

    def half(self, tried: int = 1) -> float | None:
        """Return half the 95 % interval, with a Bonferroni correction if the pair was chosen among `tried`."""
        return None if self.se is None else t_quantile(self.dof, 1 - (1 - LEVEL) / tried) * self.se


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fit:
    coefficients: Floats
    inverse: Floats
    """Inverse of design' design."""
    variance: float
    dof: int

    def of(self, weights: Floats) -> tuple[float, float | None]:
        """Return a linear combination of the arms' means and its standard error."""
        full = np.zeros(len(self.coefficients))
        full[: len(weights)] = weights
        spread = float(full @ self.inverse @ full)
        return float(full @ self.coefficients), math.sqrt(self.variance * spread) if self.dof > 0 else None


class ArmMeans:
    """Mean loss of each arm, fitted together with the seeds."""

    def __init__(self, arms: Sequence[str], seeds: Sequence[object], loss: Sequence[float]):
        """Fit the means; `arms`, `seeds` and `loss` hold one entry for each run."""
        self.names = list(dict.fromkeys(arms))
        member = np.array([[arm == name for name in self.names] for arm in arms], float)
        known = list(dict.fromkeys(seeds))
        blocks = np.array([[seed == one for one in known] for seed in seeds], float)
        blocks = blocks[:, :-1] - blocks[:, -1:]
        self._plain = _solved(member, np.asarray(loss, float))
        design = np.hstack([member, blocks])
        self.blocked = blocks.shape[1] > 0 and int(np.linalg.matrix_rank(design)) == design.shape[1]
        self._fit = _solved(design, np.asarray(loss, float)) if self.blocked else self._plain

    def difference(self, one: str, other: str) -> ArmDifference:
        """Return the mean loss of the arm `one` less the mean loss of `other`, both by name."""
        weights = np.array([float(name == one) - float(name == other) for name in self.names])
        (value, se), (_, plain_se) = self._fit.of(weights), self._plain.of(weights)
        return ArmDifference(
            value=value, se=se, dof=self._fit.dof, plain_se=plain_se, plain_dof=self._plain.dof, blocked=self.blocked
        )


def _solved(design: Floats, loss: Floats) -> _Fit:
    inverse = np.asarray(np.linalg.inv(design.T @ design), float)
    coefficients = np.asarray(inverse @ (design.T @ loss), float)
    dof = len(loss) - design.shape[1]
    residual = float(np.sum((loss - design @ coefficients) ** 2))
    return _Fit(coefficients=coefficients, inverse=inverse, variance=residual / dof if dof else math.nan, dof=dof)
