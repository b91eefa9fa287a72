"""L = E + A / N^alpha + B / D^beta, arXiv 2203.15556 equation 2; the correct fit is that of arXiv 2404.10102.

theta = (ln A, ln B, ln E, alpha, beta): the three terms stay positive, and ln L is a log-sum-exp of lines.
"""

import itertools

import numpy as np

from fits.engine import Columns, Law
from fits.table import Floats

EXPONENTS = (0.1, 0.3, 0.6, 1.2)
"""Starting values of alpha and of beta: each pair gives one start, whose A, B and E are solved for."""
SHARE = 0.05
"""Smallest share of the lowest loss that a term has at a start: a term of zero could not grow again."""


def _log_terms(theta: Floats, columns: Columns) -> Floats:
    """Return ln of the N, D and constant term of each run, shape (3, n)."""
    a, b, e, alpha, beta = theta
    log_n, log_d = np.log(columns["N"]), np.log(columns["D"])
    return np.stack([a - alpha * log_n, b - beta * log_d, np.full_like(log_n, e)])


def log_loss(theta: Floats, columns: Columns) -> Floats:
    """Return ln L, shape (n,)."""
    return np.asarray(np.logaddexp.reduce(_log_terms(theta, columns), axis=0))


def jacobian(theta: Floats, columns: Columns) -> Floats:
    """Return d ln L / d theta, shape (n, 5): each term's share of L times the slope of its logarithm."""
    terms = _log_terms(theta, columns)
    n, d, e = np.exp(terms - np.logaddexp.reduce(terms, axis=0))
    return np.column_stack([n, d, e, -n * np.log(columns["N"]), -d * np.log(columns["D"])])


def starts(columns: Columns, loss: Floats) -> Floats:
    """Return one start for each pair of exponents, shape (16, 5).

    For given exponents the law is linear in A, B and E, so these are solved for (non-negative least squares of the
    relative error), as in variable projection, arXiv 2603.22339. No unit of N, D or L is assumed.
    """
    return np.array([_start(columns, loss, *pair) for pair in itertools.product(EXPONENTS, repeat=2)])


def _start(columns: Columns, loss: Floats, alpha: float, beta: float) -> Floats:
    from scipy.optimize import nnls

    slopes = {"N": alpha, "D": beta}
    centre = {name: np.log(columns[name]).mean() for name in slopes}
    powers = [np.exp(-slope * (np.log(columns[name]) - centre[name])) for name, slope in slopes.items()]
    terms = np.column_stack([*powers, np.ones_like(loss)])
    sizes = np.maximum(nnls(terms / loss[:, None], np.ones_like(loss))[0], SHARE * loss.min())
    a, b, e = np.log(sizes)
    return np.array([a + alpha * centre["N"], b + beta * centre["D"], e, alpha, beta])


def natural(theta: Floats) -> Floats:
    """Return A, B, E, alpha, beta."""
    return np.concatenate([np.exp(theta[:3]), theta[3:]])


LAW = Law(
    name="chinchilla",
    formula="L = E + A / N^alpha + B / D^beta",
    source="arXiv 2203.15556, equation 2; fitted as corrected in arXiv 2404.10102",
    columns=("N", "D"),
    parameters=("A", "B", "E", "alpha", "beta"),
    bounds=((-np.inf, np.inf), (-np.inf, np.inf), (-np.inf, np.inf), (0.0, 5.0), (0.0, 5.0)),
    log_loss=log_loss,
    jacobian=jacobian,
    starts=starts,
    natural=natural,
)
