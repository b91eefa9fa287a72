"""Newton's method for many small problems at once: exact Hessians, a damping for each, bounds, converged ones at rest.

Each problem b minimises f_b over its own theta_b, shape (q,). Its step solves (H + damping M) s = -g, where the metric
M is positive semi-definite and changes with the parameters as H does. Nothing else enters, so that a linear change of
the parameters, such as another unit of N, changes the path by rounding only.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Index = NDArray[np.intp]

CONVERGED = 1e-18
"""Decrease of f that a step promises, relative to f, after which a problem is at rest: nothing is left but rounding."""
ROUNDING, NEAR = 1e-14, 1e-10
"""Change of f, relative to f, that may be rounding; and how little a step must promise to be taken all the same."""
FIRST_DAMPING = 1e-2
"""At a start: near a minimum it costs one step, far from one it saves some."""
SMALLEST, LARGEST = 1e-7, 1e12
"""Damping below which it is left out, and above which a problem can go no further."""
IDLE = 1e-26
"""Share of the largest diagonal element of M below which a parameter moves no fitted value and is left where it is."""
PIVOT = 1e-13
"""Share of its diagonal element that a pivot must keep for a matrix to count as positive definite."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalModel:
    """The objective around one point of each of B problems."""

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
"""(theta (b, q), which problems (b,)) -> the objective there."""


def minimise(model: Evaluate, start: Floats, lo: Floats, hi: Floats, *, steps: int) -> tuple[Floats, LocalModel]:
    """Follow every start, shape (B, q), to a minimum in [lo, hi] in at most `steps` steps; return it and f there."""
    theta = np.clip(start, lo, hi)
    live = np.arange(len(theta))
    here = model(theta, live)
    damping, growth = np.full(len(theta), FIRST_DAMPING), np.full(len(theta), 4.0)
    live = live[np.isfinite(here.value)]
    for _ in range(steps):
        if not live.size:
            break
        used = damping[live]
        step, promised = _step(here.take(live), theta[live], lo, hi, used)
        trial = np.clip(theta[live] + step, lo, hi)
        there = model(trial, live)
        gained = here.value[live] - there.value
        ratio = gained / promised
        lost = (np.abs(gained) <= ROUNDING * here.value[live]) & (promised <= NEAR * here.value[live])
        better = (gained > 0) & (ratio > 1e-4) | lost
        here.put(live, there, better)
        theta[live[better]] = trial[better]
        damping[live], growth[live] = _damped(used, growth[live], ratio, better)
        at_rest = (promised <= CONVERGED * here.value[live]) & (used <= 1.0)
        live = live[~at_rest & (damping[live] < LARGEST)]
    return theta, here


def _damped(used: Floats, growth: Floats, ratio: Floats, better: Bools) -> tuple[Floats, Floats]:
    """Return the next damping and its growth at the next failure: less after a step as good as promised."""
    eased = used * np.where(ratio > 0.75, 0.1, np.where(ratio > 0.25, 1.0, 2.0))
    eased = np.where(eased < SMALLEST, 0.0, eased)
    return np.where(better, eased, np.maximum(used, 1e-3) * growth), np.where(better, 4.0, growth * 2.0)


def _step(here: LocalModel, theta: Floats, lo: Floats, hi: Floats, damping: Floats) -> tuple[Floats, Floats]:
    """Return the step (b, q) and the decrease that it promises (b,).

    It is Newton's, and that of reweighted least squares, (1 + damping) M s = -g, where H bends downwards.
    """
    scale = np.sqrt(np.maximum(np.einsum("bii->bi", here.metric), 0.0))
    held = scale**2 <= IDLE * (scale**2).max(axis=1, keepdims=True)
    held |= (theta <= lo) & (here.gradient > 0) | (theta >= hi) & (here.gradient < 0)
    inverse = np.where(held, 0.0, 1.0 / np.where(held, 1.0, scale))
    gradient = here.gradient * inverse
    both = inverse[:, :, None] * inverse[:, None, :]
    hessian, metric = here.hessian * both, here.metric * both
    unit = np.eye(theta.shape[1])
    hessian += held[:, :, None] * unit  # a parameter that is held does not move: its gradient is zero
    metric += 1e-9 * unit
    step, definite = solve_definite(hessian + damping[:, None, None] * metric, -gradient)
    promised = _promised(gradient, hessian, step)
    other = ~definite | (promised > here.value)  # f is never negative, so a model that says so is far from its minimum
    if other.any():
        metric = metric[other]
        step[other] = solve_definite(metric, -gradient[other])[0] / (1 + damping[other, None])
        promised[other] = _promised(gradient[other], metric, step[other])
    return step * inverse, promised


def _promised(gradient: Floats, hessian: Floats, step: Floats) -> Floats:
    bend = (hessian @ step[:, :, None])[:, :, 0]
    return np.asarray(-((gradient + 0.5 * bend) * step).sum(axis=1))


def solve_definite(matrix: Floats, right: Floats) -> tuple[Floats, Bools]:
    """Solve matrix (B, q, q) x = right (B, q) by Cholesky, and say which matrices are positive definite.

    numpy's own Cholesky refuses the whole stack where one matrix is not. What is not definite gets no meaningful x.
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
