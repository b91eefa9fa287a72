"""The objective of a law with its exact gradient and Hessian, for many points and row weights at once.

The objective is sum_i w_i rho(r_i), r = ln L_fit - ln L, with Huber's rho (arXiv 2203.15556, approach 3): r^2 / 2 where
|r| <= delta, delta (|r| - delta / 2) beyond. With z_k the ln of a term, s_k its share of L, psi = rho' and g_i the
gradient of ln L_fit,

    gradient = sum w psi g,    Hessian = sum w (rho'' - psi) g g' + sum w psi sum_k s_k (z_k' z_k'^T + z_k'')

and the metric is that of reweighted least squares, sum w (psi / r) g g'. For residuals in nats, r = L_fit - L, the
terms themselves take the place of their shares, and rho'' that of rho'' - psi.
"""

import numpy as np

from fits.jets import Jet
from fits.newton import Floats, Local
from fits.problem import Problem, huber

TILE = 32768
"""Elements (problems x rows) that are worked on at a time: the arrays of a tile stay in the processor's cache."""
ROWS = 8192
"""Longest tile along the rows."""


def local(problem: Problem, theta: Floats, weights: Floats, target: Floats, delta: float) -> Local:
    """Return the objective of each of B points, and its derivatives by the q free parameters of the problem.

    theta: (B, p); weights of the runs, and what the law is to meet (ln L, or L in nats): (B, n) each, or (n,) for all
    points. These and `delta` take the place of the problem's own.
    """
    count, n, q = len(theta), len(problem.loss), len(problem.free)
    sums = [np.zeros((count, *shape)) for shape in ((), (q,), (q, q), (q, q))]
    width = max(1, TILE // min(n, ROWS))
    with np.errstate(all="ignore"):  # a wild trial step overflows; its objective is not finite and it is refused
        for row in range(0, n, ROWS):
            rows = slice(row, row + ROWS)
            for at in range(0, count, width):
                some = slice(at, at + width)
                own, aim = (each[rows] if each.ndim == 1 else each[some, rows] for each in (weights, target))
                for total, each in zip(sums, _tile(problem, theta[some], rows, own, aim, delta), strict=True):
                    total[some] += each
    value = np.where(np.isfinite(sums[0]), sums[0], np.inf)
    return Local(value=value, gradient=sums[1], hessian=sums[2], metric=sums[3])


def _tile(
    problem: Problem, theta: Floats, rows: slice, weights: Floats, target: Floats, delta: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return f, g, H and M of the points theta (b, p) over some rows."""
    q = len(problem.free)
    terms = _terms(problem, theta, rows)
    sizes = [np.exp(term.value) for term in terms]
    total = sum(sizes[1:], sizes[0])
    if problem.in_nats:
        residuals, parts = total - target, sizes
    else:
        residuals, parts = np.log(total) - target, [size / total for size in sizes]
    loss, psi = huber(residuals, delta)  # (b, n)
    force = weights * psi
    value = np.einsum("bn,bn->b", np.broadcast_to(weights, loss.shape), loss)
    gradient, hessian = _forces(terms, parts, force, q)
    slopes = _slopes(terms, parts, q, residuals.shape)  # (b, q, n)
    inside = psi == residuals
    stiff = weights * inside if problem.in_nats else weights * inside - force
    ratio = np.divide(psi, residuals, out=np.ones_like(psi), where=~inside)
    across = slopes.transpose(0, 2, 1)
    hessian += (slopes * stiff[:, None]) @ across
    return value, gradient, hessian, (slopes * (weights * ratio)[:, None]) @ across


def _terms(problem: Problem, theta: Floats, rows: slice) -> list[Jet]:
    """Return ln of the terms of the law with their derivatives by the free parameters, counted from zero."""
    place = {j: i for i, j in enumerate(problem.free)}
    columns = [theta[:, j, None] for j in range(theta.shape[1])]
    moving = [Jet.variable(column, place[j]) if j in place else column for j, column in enumerate(columns)]
    terms = problem.law.log_terms(moving, {name: values[rows] for name, values in problem.logs.items()})
    return [term if isinstance(term, Jet) else Jet(term, {}, {}) for term in terms]


def _forces(terms: list[Jet], parts: list[Floats], force: Floats, q: int) -> tuple[Floats, Floats]:
    """Return the gradient (b, q), and the part of the Hessian (b, q, q) that comes from the curvature of ln L."""
    gradient, hessian = np.zeros((len(force), q)), np.zeros((len(force), q, q))
    for term, part in zip(terms, parts, strict=True):
        pull = force * part  # (b, n)
        for j, slope in term.first.items():
            gradient[:, j] += _sum(pull, slope)
            for k, other in term.first.items():
                if k >= j:
                    hessian[:, j, k] += _sum(pull, slope * other)
        for (j, k), curvature in term.second.items():
            hessian[:, j, k] += _sum(pull, curvature)
    upper = np.triu(np.ones((q, q)), 1)
    return gradient, hessian + (hessian * upper).transpose(0, 2, 1)


def _sum(pull: Floats, by: Floats | float) -> Floats:
    """Return the sum over rows of pull (b, n) times `by`, which may be a number, (n,) or (b, n)."""
    if np.ndim(by) == 0:
        return np.asarray(pull.sum(axis=1) * by)
    if np.ndim(by) == 1:
        return np.asarray(pull @ by)
    return np.asarray(np.einsum("bn,bn->b", pull, np.broadcast_to(by, pull.shape)))


def _slopes(terms: list[Jet], parts: list[Floats], q: int, shape: tuple[int, ...]) -> Floats:
    """Return the gradient of ln L_fit of each row, shape (b, q, n)."""
    slopes = np.zeros((shape[0], q, shape[1]))
    for term, part in zip(terms, parts, strict=True):
        for j, slope in term.first.items():
            slopes[:, j] += part * slope
    return slopes
