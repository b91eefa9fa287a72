"""Curves in x = ln r_a (or ln K, ln G) as sums of known functions: powers of x, and the smoothing spline.

A basis knows its functions and their derivatives, and which of them are shrunk; how they are fitted is in
`fits.curve.least_squares`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from fits.runs.table import Floats

MOST_KNOTS = 10
"""Knots of a spline; more of them change a curve with one minimum by less than its smoothing does."""

_GAUSS = np.polynomial.legendre.leggauss(3)


class Basis(Protocol):
    """Functions of x whose sum is a curve. The first `free` of them are not shrunk."""

    @property
    def free(self) -> int:
        """How many coefficients are fitted freely."""

    @property
    def size(self) -> int:
        """How many coefficients there are."""

    def columns(self, x: Floats, derivative: int = 0) -> Floats:
        """Return the functions, or their first or second derivatives, at x of shape (m,); shape (m, size)."""


@dataclass(frozen=True)
class Powers:
    """1, x, x^2 ... : the basis of a polynomial."""

    size: int
    """Number of powers."""

    @property
    def free(self) -> int:
        """All of them."""
        return self.size

    def columns(self, x: Floats, derivative: int = 0) -> Floats:
        """Return the powers or their derivatives, shape (m, size)."""
        if not derivative:
            return np.vander(x, self.size, increasing=True)
        found = np.zeros((len(x), self.size))
        factors = [math.perm(power, derivative) for power in range(derivative, self.size)]
        found[:, derivative:] = np.vander(x, self.size - derivative, increasing=True) * factors
        return found


@dataclass(frozen=True)
class Spline:
    """The natural quintic smoothing spline: 1, x, x^2, and a function for each further knot, shrunk towards zero.

    The penalty is the integral of the third derivative squared, so that what is smoothed towards is a parabola and not
    the straight line of the usual cubic spline, which has no minimum. The functions are scaled such that the
    penalty is the sum of their squared coefficients (G. Wahba, Spline Models for Observational Data, 1990, chapter 1).
    """

    knots: tuple[float, ...]
    """Knots in x, rising, at least 4."""

    @property
    def free(self) -> int:
        """The parabola."""
        return 3

    @property
    def size(self) -> int:
        """The parabola, and one for each knot but the first."""
        return 2 + len(self.knots)

    @cached_property
    def _whitener(self) -> Floats:
        """Inverse of the transposed Cholesky factor of the kernel at the knots, shape (knots - 1, knots - 1)."""
        inner = self._unit(np.array(self.knots[1:]))
        return np.asarray(np.linalg.inv(np.linalg.cholesky(_kernel(inner, inner, 0))).T)

    def _unit(self, x: Floats) -> Floats:
        return (x - self.knots[0]) / (self.knots[-1] - self.knots[0])

    def columns(self, x: Floats, derivative: int = 0) -> Floats:
        """Return 1, x, x^2 and the shrunk functions, or their derivatives, shape (m, size)."""
        rate = (self.knots[-1] - self.knots[0]) ** -derivative
        bends = rate * _kernel(self._unit(x), self._unit(np.array(self.knots[1:])), derivative) @ self._whitener
        return np.hstack([Powers(3).columns(x, derivative), bends])


def _kernel(u: Floats, knots: Floats, derivative: int) -> Floats:
    """Return the integral over v from 0 to min(u, s) of (u - v)^(2-d)/(2-d)! (s - v)^2/2, shape (m, knots).

    Three Gauss points are exact: the integrand is a polynomial of degree 4 or less. Left of the first knot it is zero.
    """
    upper = np.maximum(np.minimum(u[:, None], knots[None]), 0.0)
    total = np.zeros_like(upper)
    for point, weight in zip(*_GAUSS, strict=True):
        v = upper * (point + 1) / 2
        left = ((u[:, None] - v) ** 2 / 2, u[:, None] - v, 1.0)[derivative]
        total += weight / 2 * upper * left * (knots[None] - v) ** 2 / 2
    return total


def spline_through(x: Floats) -> Spline:
    """Return the spline with a knot at each distinct x, or at MOST_KNOTS of them, the ends included."""
    distinct = np.unique(np.round(x, 6))
    picked = np.unique(np.linspace(0, len(distinct) - 1, min(len(distinct), MOST_KNOTS)).round().astype(int))
    return Spline(knots=tuple(distinct[picked].tolist()))


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A law of one column alone, r_a unless another is asked for."""

    name: str
    """Name of the law."""
    formula: str
    """The law as text."""
    source: str
    """Where the form comes from."""
    parameters: tuple[str, ...]
    """Names of the coefficients that are fitted freely."""
    basis: Callable[[Floats], Basis]
    """Its functions, for runs at these x, shape (n,)."""

    @property
    def rates(self) -> int:
        """Distinct x below which it is not fitted: one for each free coefficient, and one more where it smooths."""
        return len(self.parameters) + (self.basis is spline_through)

    def names(self, basis: Basis) -> tuple[str, ...]:
        """Return the names of all coefficients of `basis`."""
        return (*self.parameters, *(f"w{place}" for place in range(1, basis.size - basis.free + 1)))


def polynomial(degree: int) -> Callable[[Floats], Basis]:
    """Return the basis of a polynomial, whatever the x."""
    return lambda x: Powers(degree + 1)
