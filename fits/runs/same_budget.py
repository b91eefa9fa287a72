"""When two runs have the same budget, size or number of tokens: values within 5 % of each other are one group."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BUDGET_TOLERANCE = 0.05
"""Relative gap up to which neighbouring values share a group (C of the matched runs of arXiv 2506.12119: 2.7 %)."""


def groups_of(values: Sequence[float] | NDArray[np.float64], tolerance: float = BUDGET_TOLERANCE) -> NDArray[np.intp]:
    """Return the number of each value's group, shape (n,), counted from the smallest value.

    A new group begins where the next larger value is more than `tolerance` above the one before it.
    """
    found = np.asarray(values, float)
    order = np.argsort(found, kind="stable")
    ordered, groups = found[order], np.zeros(len(found), np.intp)
    groups[order[1:]] = np.cumsum(np.diff(ordered) > tolerance * np.abs(ordered[:-1]))
    return groups


def same_budget(one: float, other: float, tolerance: float = BUDGET_TOLERANCE) -> bool:
    """Return whether two positive values lie within `tolerance` of each other."""
    return max(one, other) <= min(one, other) * (1 + tolerance)
