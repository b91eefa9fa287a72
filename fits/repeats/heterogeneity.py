"""Does repetition cost all arms the same? An F test over arms with seeds as blocks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fits.f_test import f_tail, residual_squares
from fits.repeats.pairs import Pair
from fits.runs.table import Floats


@dataclass(frozen=True, kw_only=True)
class Heterogeneity:
    """Test of whether the excess is the same in all arms, with seeds as blocks."""

    F: float
    """Mean square between arms over the mean square of the noise."""
    arms_dof: int
    """Arms less one."""
    error_dof: int
    """Degrees of freedom of the noise."""
    p: float
    """Probability of so large an F if all arms have one excess."""


def heterogeneity_of(pairs: Sequence[Pair]) -> Heterogeneity | None:
    """Return the F test of one excess for all arms (activation rates, dense or MoE), with seeds as blocks."""
    arms = [(pair.dense, None if pair.r_a is None else round(pair.r_a, 4)) for pair in pairs]
    excess = np.array([pair.excess for pair in pairs])
    seeds = _members([pair.seed for pair in pairs])
    both = np.hstack([seeds, _members(arms)])
    (common, few), (apart, many) = (residual_squares(design, excess) for design in (seeds, both))
    arms_dof, error_dof = many - few, len(pairs) - many
    if arms_dof < 1 or error_dof < 1 or apart <= 0:
        return None
    F = (common - apart) / arms_dof / (apart / error_dof)
    return Heterogeneity(F=F, arms_dof=arms_dof, error_dof=error_dof, p=f_tail(F, arms_dof, error_dof))


def _members(labels: Sequence[object]) -> Floats:
    """Return the columns of one indicator for each label, shape (n, labels)."""
    return np.array([[label == each for each in dict.fromkeys(labels)] for label in labels], float)
