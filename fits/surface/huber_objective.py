"""The objective of a law with its exact gradient and Hessian, for many points theta and row weights at once.

The objective is sum_i w_i rho(r_i), r = ln L_fit - ln L, with Huber's rho (arXiv 2203.15556, approach 3): r^2 / 2 where
|r| <= delta, delta (|r| - delta / 2) beyond. With z_k the ln of a term, s_k its share of L, psi = rho' and g_i the
gradient of ln L_fit,

    gradient = sum w psi g,    Hessian = sum w (rho'' - psi) g g' + sum w psi sum_k s_k (z_k' z_k'^T + z_k'')

The metric is that of reweighted least squares, sum w (psi / r) g g'. For residuals in nats, r = L_fit - L, the terms
replace their shares s_k, and rho'' replaces rho'' - psi.
"""

import numpy as np

from fits.laws.autodiff import Dual
from fits.surface.fitting_problem import Problem
from fits.surface.newton import Floats, LocalModel

TILE = 16384
"""Elements (problems x rows) of a tile: arrays of 128 KiB stay in cache, and malloc reuses them."""
TINY = 1e-300
"""Makes the ratio of two zeros one."""
ROWS = 8192
"""Longest tile along the rows."""


def local_model(problem: Problem, theta: Floats, weights: Floats, target: Floats, delta: float) -> LocalModel:
    """Return the objective at each of B points, with its derivatives with respect to the q free parameters.

    theta: (B, p). weights of the runs, and target (ln L, or L for residuals in nats): (B, n), or (n,) for all points.
    They and `delta` replace those of the problem.
    """
    count, n, q = len(theta), len(problem.loss), len(problem.free)
    sums = [np.zeros((count, *shape)) for shape in ((), (q,), (q, q), (q, q))]
    width = max(1, TILE // min(n, ROWS))
    for row in range(0, n, ROWS):
        rows = slice(row, row + ROWS)
        for at in range(0, count, width):
            some = slice(at, at + width)
            own, aim = (each[rows] if each.ndim == 1 else each[some, rows] for each in (weights, target))
            for total, each in zip(sums, _tile(problem, theta[some], rows, own, aim, delta), strict=True):
                total[some] += each
    value = np.where(np.isfinite(sums[0]), sums[0], np.inf)
    return LocalModel(value=value, gradient=sums[1], hessian=sums[2], metric=sums[3])


def _tile(
    problem: Problem, theta: Floats, rows: slice, weights: Floats, target: Floats, delta: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return f, g, H and M at the points theta (b, p), summed over some rows."""
    terms, q = _terms(problem, theta, rows), len(problem.free)
    parts = [np.exp(term.value) for term in terms]
    total = sum(parts[1:], parts[0])
    if problem.in_nats:
        residuals = total - target
    else:
        inverse = 1.0 / total
        residuals, parts = np.log(total) - target, [part * inverse for part in parts]
    psi = np.clip(residuals, -delta, delta)  # (b, n)
    force = weights * psi
    value = np.einsum("bn,bn->b", force, residuals) - 0.5 * np.einsum("bn,bn->b", force, psi)
    stiff = weights * (psi == residuals)
    soft = weights * ((psi + TINY) / (residuals + TINY))  # the weights of reweighted least squares
    moving = [k for k, term in enumerate(terms) if term.first]
    terms, parts = [terms[k] for k in moving], [parts[k] for k in moving]
    slopes = [_Gradient(term, residuals.shape) for term in terms]
    gradient, bend = _forces(terms, slopes, [force * part for part in parts], q)
    hessian = _outer(slopes, parts, stiff if problem.in_nats else stiff - force, q)
    return value, gradient, hessian + bend, _outer(slopes, parts, soft, q)


def _terms(problem: Problem, theta: Floats, rows: slice) -> list[Dual]:
    """Return ln of the terms of the law as duals; derivatives are numbered by free parameter, from zero."""
    place = {j: i for i, j in enumerate(problem.free)}
    columns = [theta[:, j, None] for j in range(theta.shape[1])]
    moving = [Dual.variable(column, place[j]) if j in place else column for j, column in enumerate(columns)]
    terms = problem.law.log_terms(moving, {name: values[rows] for name, values in problem.logs.items()})
    return [term if isinstance(term, Dual) else Dual(term, {}, {}) for term in terms]


class _Gradient:
    """The first derivatives of a term: (n, q) if they do not depend on the parameters, else (b, n, q)."""

    def __init__(self, term: Dual, shape: tuple[int, ...]) -> None:
        self.places = np.array(list(term.first), np.intp)
        self.fixed = all(np.ndim(each) < 2 for each in term.first.values())
        each = [np.broadcast_to(slope, shape[1:] if self.fixed else shape) for slope in term.first.values()]
        self.values = np.stack(each, axis=-1) if each else np.zeros((shape[1], 0))

    def times(self, other: "_Gradient", weights: Floats) -> Floats:
        """Return the sum over rows of weights (b, n) times both derivatives, shape (b, q, q')."""
        if self.fixed and other.fixed:
            pairs = self.values[:, :, None] * other.values[:, None, :]
            return (weights @ pairs.reshape(len(pairs), -1)).reshape(-1, *pairs.shape[1:])
        return np.asarray((self.values * weights[:, :, None]).swapaxes(-1, -2) @ other.values)


def _forces(terms: list[Dual], slopes: list[_Gradient], pulls: list[Floats], q: int) -> tuple[Floats, Floats]:
    """Return the gradient (b, q), and the part of the Hessian (b, q, q) from the curvature of the terms."""
    gradient, bend = np.zeros((len(pulls[0]), q)), np.zeros((len(pulls[0]), q, q))
    for term, slope, pull in zip(terms, slopes, pulls, strict=True):
        gradient[:, slope.places] += pull @ slope.values if slope.fixed else np.einsum("bn,bnq->bq", pull, slope.values)
        bend[:, slope.places[:, None], slope.places] += slope.times(slope, pull)
        for (j, k), curvature in term.second.items():
            sums = np.einsum("bn,bn->b", pull, np.broadcast_to(curvature, pull.shape))
            bend[:, j, k] += sums
            if j != k:
                bend[:, k, j] += sums
    return gradient, bend


def _outer(slopes: list[_Gradient], parts: list[Floats], weights: Floats, q: int) -> Floats:
    """Return sum w g g' over the rows, (b, q, q), for weights (b, n) and g = sum_k part_k z_k'."""
    sums = np.zeros((len(weights), q, q))
    for k, (one, part) in enumerate(zip(slopes, parts, strict=True)):
        mine = weights * part
        for other, theirs in zip(slopes[k:], parts[k:], strict=True):
            block = one.times(other, mine * theirs)
            sums[:, one.places[:, None], other.places] += block
            if other is not one:
                sums[:, other.places[:, None], one.places] += block.swapaxes(1, 2)
    return sums
