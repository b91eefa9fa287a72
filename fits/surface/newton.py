"""Newton's method for many small problems at once: exact Hessians, individual damping, and bounds.

Each problem b minimises f_b over its own theta_b, shape (q,). Its step solves (H + damping M) s = -g, where the metric
M is positive semi-definite and transforms like H under a change of parameters. Therefore a linear change of the
parameters, such as another unit of N, changes the path only by rounding. Converged problems are not evaluated again.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Index = NDArray[np.intp]

CONVERGED = 1e-18
"""Predicted decrease of f, relative to f, below which a problem has converged: only rounding is left."""
ROUNDING, NEAR = 1e-14, 1e-10
"""Change of f, relative to f, that may be rounding; and predicted decrease below which such a step is still taken."""
FIRST_DAMPING = 1e-2
"""Damping at a start: it costs one step near a minimum, and saves some far from one."""
SMALLEST, LARGEST = 1e-7, 1e12
"""Damping below which it is set to zero, and above which a problem is given up."""
IDLE = 1e-26
"""Share of the largest diagonal element of M below which a parameter has no effect and is not moved."""
PIVOT = 1e-13
"""Share of its diagonal element that each pivot of a positive definite matrix must keep."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalModel:
    """The quadratic model of the objective around one point of each of B problems."""

    value: Floats
    """f, shape (B,); infinite where it is not defined."""
    gradient: Floats
    """g, shape (B, q)."""
    hessian: Floats
    """H, shape (B, q, q)."""
    metric: Floats
    """M, shape (B, q, q), positive semi-definite."""

    def take(self, keep: Index | Bools) -> "LocalModel":
        """Return the problems `keep`."""
        return LocalModel(
            value=self.value[keep],
            gradient=self.gradient[keep],
            hessian=self.hessian[keep],
            metric=self.metric[keep],
        )

    def put(self, at: Index, other: "LocalModel", chosen: Bools) -> None:
        """Write the problems `chosen` of `other` to the places `at[chosen]`."""
        for name in ("value", "gradient", "hessian", "metric"):
            getattr(self, name)[at[chosen]] = getattr(other, name)[chosen]


Evaluate = Callable[[Floats, Index], LocalModel]
"""(theta (b, q), numbers of the problems (b,)) -> the model of the objective there."""


def minimise(evaluate: Evaluate, start: Floats, lo: Floats, hi: Floats, *, steps: int) -> tuple[Floats, LocalModel]:
    """Follow every start, shape (B, q), to a minimum in [lo, hi] in at most `steps` steps; return it and f there."""
    theta = np.clip(start, lo, hi)
    live = np.arange(len(theta))
    here = evaluate(theta, live)
    damping, growth = np.full(len(theta), FIRST_DAMPING), np.full(len(theta), 4.0)
    live = live[np.isfinite(here.value)]
    for _ in range(steps):
        if not live.size:
            break
        used = damping[live]
        step, predicted = _step(here.take(live), theta[live], lo, hi, used)
        trial = np.clip(theta[live] + step, lo, hi)
        there = evaluate(trial, live)
        gained = here.value[live] - there.value
        ratio = gained / predicted
        # Near the minimum f is flat to rounding, and its change says nothing. The step itself is still accurate, so it
        # is taken: without this the gradient would stall at about 1e-8.
        level = (np.abs(gained) <= ROUNDING * here.value[live]) & (predicted <= NEAR * here.value[live])
        better = (gained > 0) & (ratio > 1e-4) | level
        here.put(live, there, better)
        theta[live[better]] = trial[better]
        damping[live], growth[live] = _damped(used, growth[live], ratio, better)
        # A small predicted decrease proves convergence only if damping did not make the step small.
        converged = (predicted <= CONVERGED * here.value[live]) & (used <= 1.0)
        live = live[~converged & (damping[live] < LARGEST)]
    return theta, here


def _damped(used: Floats, growth: Floats, ratio: Floats, better: Bools) -> tuple[Floats, Floats]:
    """Return the next damping, and its growth at the next failure.

    `ratio` is the actual over the predicted decrease: damping falls if the model was good and rises if it was poor.
    Repeated failures raise it ever faster.
    """
    eased = used * np.where(ratio > 0.75, 0.1, np.where(ratio > 0.25, 1.0, 2.0))
    eased = np.where(eased < SMALLEST, 0.0, eased)  # undamped from here on: quadratic convergence
    return np.where(better, eased, np.maximum(used, 1e-3) * growth), np.where(better, 4.0, growth * 2.0)


def _step(here: LocalModel, theta: Floats, lo: Floats, hi: Floats, damping: Floats) -> tuple[Floats, Floats]:
    """Return the step (b, q) and the decrease of f that it predicts (b,).

    It is Newton's step. Where H is not positive definite, it is the step of reweighted least squares,
    (1 + damping) M s = -g.
    """
    scale = np.sqrt(np.maximum(np.einsum("bii->bi", here.metric), 0.0))
    held = scale**2 <= IDLE * (scale**2).max(axis=1, keepdims=True)
    # at a bound, a parameter whose gradient points outwards is held; the others move as if it were fixed
    held |= (theta <= lo) & (here.gradient > 0) | (theta >= hi) & (here.gradient < 0)
    inverse = np.where(held, 0.0, 1.0 / np.where(held, 1.0, scale))
    gradient = here.gradient * inverse
    both = inverse[:, :, None] * inverse[:, None, :]
    hessian, metric = here.hessian * both, here.metric * both
    unit = np.eye(theta.shape[1])
    hessian += held[:, :, None] * unit  # keeps the matrix regular; a held parameter has gradient zero, so it stays
    metric += 1e-9 * unit
    step, definite = solve_definite(hessian + damping[:, None, None] * metric, -gradient)
    predicted = _predicted(gradient, hessian, step)
    # f is never negative, so a model that predicts a larger decrease than f is far from the minimum and not trusted
    other = ~definite | (predicted > here.value)
    if other.any():
        metric = metric[other]
        step[other] = solve_definite(metric, -gradient[other])[0] / (1 + damping[other, None])
        predicted[other] = _predicted(gradient[other], metric, step[other])
    return step * inverse, predicted


def _predicted(gradient: Floats, hessian: Floats, step: Floats) -> Floats:
    bend = (hessian @ step[:, :, None])[:, :, 0]
    return np.asarray(-((gradient + 0.5 * bend) * step).sum(axis=1))


def solve_definite(matrix: Floats, right: Floats) -> tuple[Floats, Bools]:
    """Solve matrix (B, q, q) x = right (B, q) by Cholesky; return x and which matrices are positive definite.

    x has no meaning for the other matrices. numpy's Cholesky would refuse all B systems if one is not definite.
    """
    q = matrix.shape[1]
    lower, definite = np.zeros_like(matrix), np.ones(len(matrix), bool)
    for j in range(q):
        row = lower[:, j, :j]
        pivot = matrix[:, j, j] - (row * row).sum(1)
        definite &= pivot > PIVOT * np.abs(matrix[:, j, j])
        lower[:, j, j] = np.sqrt(np.where(definite, pivot, 1.0))
        below = matrix[:, j + 1 :, j] - (lower[:, j + 1 :, :j] * row[:, None, :]).sum(2)
        lower[:, j + 1 :, j] = below / lower[:, j, j, None]
    x = np.array(right)
    for j in range(q):
        x[:, j] = (x[:, j] - (lower[:, j, :j] * x[:, :j]).sum(1)) / lower[:, j, j]
    for j in reversed(range(q)):
        x[:, j] = (x[:, j] - (lower[:, j + 1 :, j] * x[:, j + 1 :]).sum(1)) / lower[:, j, j]
    return x, definite
