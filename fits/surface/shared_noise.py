"""Do the residuals of a law share noise within a budget, a size or a source? And does the law fit at all?

Intervals of a law take its points as independent. Noise that the runs of one budget share makes them too narrow: with
an intraclass correlation of 0.5, a 95 % interval covers 47 to 77 %. The remedy is `--block C`, a cluster bootstrap.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fits.f_test import f_tail, residual_squares
from fits.result import LackOfFit, SharedNoise
from fits.runs.same_budget import groups_of
from fits.runs.table import Floats, RunTable
from fits.surface.fitting_problem import Problem
from planners.records.errors import UsageError

TESTED = ("C", "N", "source")
"""Columns whose values may share noise."""
LEAST = 3
"""Groups that a test of shared noise needs."""


def noise_groups(table: RunTable, block: str | None) -> dict[str, NDArray[np.intp]]:
    """Return the group of each run, shape (n,), for each column of TESTED that the table has, and for `block`.

    Without a column C its groups are those of N D. Numbers within 5 % of each other are one group. Raises UsageError if
    the table lacks the column `block`.
    """
    found = {name: _codes(table, name) for name in TESTED if table.has(name)}
    if "C" not in found and table.has("N") and table.has("D"):
        found["C"] = _codes(replace(table, frame=table.frame.assign(C=_values(table, "N") * _values(table, "D"))), "C")
    if block is not None and block not in found:
        if not table.has(block):
            columns = ", ".join(map(str, table.frame.columns))
            raise UsageError(f"--block {block}: {table.source} has no such column; choose one of {columns}")
        found[block] = _codes(table, block)
    return found


def _codes(table: RunTable, column: str) -> NDArray[np.intp]:
    values = _values(table, column)
    if values.notna().all():
        return groups_of(values.to_numpy(float))
    texts = table.frame[column].astype(object).fillna("").astype(str).to_numpy(str)
    return np.asarray(np.unique(texts, return_inverse=True)[1], np.intp).reshape(-1)


def _values(table: RunTable, column: str) -> Any:
    import pandas as pd

    return pd.to_numeric(table.frame[column], errors="coerce")


def shared_noise(problem: Problem, theta: Floats) -> tuple[SharedNoise, ...]:
    """Return the F test of one more constant for each group, beyond the law linearised at its minimum, by column."""
    residuals, gradient = problem.residuals(theta), problem.jacobian(theta)[:, problem.free]
    alone, k = _left_over(gradient, residuals)
    found = []
    for by, codes in problem.groups.items():
        count = len(np.unique(codes))
        if by not in TESTED or count < LEAST or count > len(codes) / 2:
            continue
        member = (codes[:, None] == np.unique(codes)).astype(float)
        together, rank = _left_over(np.hstack([gradient, member]), residuals)
        more, dof = rank - k, len(codes) - rank
        if more > 0 and dof > 0 and together > 0:
            F = (alone - together) / more / (together / dof)
            p = f_tail(F, more, dof)
            found.append(SharedNoise(by=by, groups=count, icc=_icc(residuals, member), F=F, dof=(more, dof), p=p))
    return tuple(found)


def _icc(residuals: Floats, member: Floats) -> float:
    """Return the intraclass correlation of the residuals by analysis of variance, at least zero."""
    sizes = member.sum(axis=0)
    means = member.T @ residuals / sizes
    n, groups = len(residuals), len(sizes)
    between = float(sizes @ (means - residuals.mean()) ** 2) / (groups - 1)
    within = float(np.sum((residuals - member @ means) ** 2)) / (n - groups)
    size = (n - float(sizes @ sizes) / n) / (groups - 1)
    return max(0.0, (between - within) / (between + (size - 1) * within))


def _left_over(design: Floats, values: Floats) -> tuple[float, int]:
    """Return the sum of squares that a least-squares fit leaves, and the rank of the design in any units."""
    return residual_squares(design / np.maximum(np.linalg.norm(design, axis=0), 1e-300), values, 1e-10)


def lack_of_law(problem: Problem, theta: Floats, point: NDArray[np.intp]) -> LackOfFit | None:
    """Return the test whether the law misses the means of its points by more than seeds differ; None without seeds."""
    residuals = problem.residuals(theta)
    means = np.bincount(point, residuals) / np.bincount(point)
    pure, whole = float(np.sum((residuals - means[point]) ** 2)), float(residuals @ residuals)
    shape_dof, error_dof = len(means) - len(problem.free), len(residuals) - len(means)
    if shape_dof < 1 or error_dof < 1 or pure <= 0:
        return None
    F = (whole - pure) / shape_dof / (pure / error_dof)
    return LackOfFit(F=F, shape_dof=shape_dof, error_dof=error_dof, p=f_tail(F, shape_dof, error_dof))
