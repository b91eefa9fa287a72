"""Starting points of a search: a grid over the exponents; the coefficients of the terms are solved for at each point.

At fixed exponents a law is linear in the coefficients of its terms. They follow from a small non-negative least-squares
problem in the relative error (variable projection, arXiv 2603.22339). The result does not depend on units.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fits.laws.law import Columns, Law
from fits.runs.table import Floats

SHARE = 0.05
"""Smallest term at a start, as a share of the lowest loss: a term of zero would have no gradient."""
ROWS = 2000
"""Most rows used to find the starts; larger tables are sampled."""


def grid(law: Law, values: Mapping[str, Sequence[float] | Floats]) -> Floats:
    """Return theta for every combination of `values`, shape (m, p); parameters that are not named are zero."""
    points = np.array(list(itertools.product(*values.values())), float).reshape(-1, len(values))
    theta = np.zeros((len(points), len(law.parameters)))
    theta[:, [law.parameters.index(name) for name in values]] = points
    return theta


def with_sizes(law: Law, theta: Floats, sizes: Sequence[str], logs: Columns, target: Floats) -> Floats:
    """Return theta, shape (m, p), with the coefficients solved for: sizes[k] names ln of the coefficient of term k.

    The coefficients in the given `theta` matter only if the law uses them outside their own term. `target` is ln L,
    shape (n,).
    """
    rows = some_rows(len(target), ROWS)
    logs, target = {name: values[rows] for name, values in logs.items()}, target[rows]
    points = [law.log_terms(list(point), logs) for point in theta]
    terms = np.array([[np.broadcast_to(term, target.shape) for term in point] for point in points])  # (m, K, n)
    centre = terms.mean(axis=2)
    relative = np.exp(terms - centre[:, :, None] - target)
    found = _non_negative(relative @ relative.transpose(0, 2, 1), relative.sum(axis=2))
    smallest = SHARE * np.exp(target.min())
    theta = theta.copy()
    theta[:, [law.parameters.index(name) for name in sizes]] += np.log(np.maximum(found, smallest)) - centre
    return theta


def some_rows(n: int, most: int) -> NDArray[np.intp]:
    """Return the numbers of all n rows, or of `most` of them: a sample without replacement, always the same one."""
    return np.arange(n) if n <= most else np.sort(np.random.default_rng(0).choice(n, most, replace=False))


def _non_negative(square: Floats, right: Floats) -> Floats:
    """Return the x >= 0, shape (m, K), that minimise x' square x / 2 - right' x: the best of all subsets of terms."""
    m, K = right.shape
    best, lowest = np.zeros((m, K)), np.zeros(m)
    for size in range(1, K + 1):
        for chosen in map(list, itertools.combinations(range(K), size)):
            block = square[:, chosen][:, :, chosen] + 1e-12 * np.eye(size) * square[:, chosen, chosen].max()
            x = np.linalg.solve(block, right[:, chosen, None])[:, :, 0]
            value = -0.5 * (x * right[:, chosen]).sum(axis=1)
            better = (x >= 0).all(axis=1) & (value < lowest)
            lowest = np.where(better, value, lowest)
            best[better] = 0.0
            best[np.ix_(better, chosen)] = x[better]
    return best
