"""Curves in x = ln r_a (or ln K, ln G) as sums of known functions: powers of x, and a smoothing spline.

A `Basis` gives its functions and their derivatives, and says which coefficients are shrunk (penalised). A `Curve` is a
law built on a basis; `fits.curve.least_squares` fits it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from fits.runs.table import Floats

MOST_KNOTS = 10
"""Most knots of a spline. More knots change a curve with one minimum by less than its smoothing does."""

_GAUSS = np.polynomial.legendre.leggauss(3)


class Basis(Protocol):
    """Functions of x whose weighted sum is a curve. Hashable; the first `free` coefficients are not shrunk."""

    @property
    def free(self) -> int:
        """Number of coefficients that are fitted without a penalty."""

    @property
    def size(self) -> int:
        """Number of all coefficients."""

    @property
    def knots(self) -> tuple[float, ...]:
        """Values of x taken from the runs, ascending; empty for a basis that does not depend on the runs."""

    @property
    def wider(self) -> "Basis | None":
        """The next larger basis that contains this one, against which its fit is tested; null for none."""

    def columns(self, x: Floats, derivative: int = 0) -> Floats:
        """Return the functions at x, shape (m,), or their derivatives of order 1, 2 or 3; shape (m, size).

        A basis with shrunk functions needs only orders 1 and 2.
        """


@dataclass(frozen=True)
class Powers:
    """1, x, x^2, ...: the basis of a polynomial."""

    size: int
    """Number of powers."""

    @property
    def free(self) -> int:
        """All coefficients: none is shrunk."""
        return self.size

    @property
    def knots(self) -> tuple[float, ...]:
        """None: the powers are the same for all runs."""
        return ()

    @property
    def wider(self) -> "Powers":
        """The powers up to one degree more."""
        return Powers(self.size + 1)

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
    """The natural quintic smoothing spline: 1, x, x^2, and for each further knot a function that is shrunk to zero.

    The penalty is the integral of the squared third derivative, so heavy smoothing gives a parabola. The usual cubic
    spline would give a straight line, which has no minimum. The functions are scaled such that the penalty is the sum
    of their squared coefficients (G. Wahba, Spline Models for Observational Data, 1990, chapter 1).
    """

    knots: tuple[float, ...]
    """Knots in x, ascending, at least 4."""

    @property
    def free(self) -> int:
        """The three coefficients of the parabola."""
        return 3

    @property
    def size(self) -> int:
        """The coefficients of the parabola, and one for each knot but the first."""
        return 2 + len(self.knots)

    @property
    def wider(self) -> None:
        """None: a spline is already as flexible as the runs support."""

    @cached_property
    def _whitener(self) -> Floats:
        """Inverse of the transposed Cholesky factor of the kernel at the knots, shape (knots - 1, knots - 1)."""
        inner = self._unit(np.array(self.knots[1:]))
        return np.asarray(np.linalg.inv(np.linalg.cholesky(_kernel(inner, inner, 0))).T)

    def _unit(self, x: Floats) -> Floats:
        return (x - self.knots[0]) / (self.knots[-1] - self.knots[0])

    def columns(self, x: Floats, derivative: int = 0) -> Floats:
        """Return 1, x, x^2 and the shrunk functions, or their first or second derivatives, shape (m, size)."""
        rate = (self.knots[-1] - self.knots[0]) ** -derivative
        bends = rate * _kernel(self._unit(x), self._unit(np.array(self.knots[1:])), derivative) @ self._whitener
        return np.hstack([Powers(3).columns(x, derivative), bends])


def _kernel(u: Floats, knots: Floats, derivative: int) -> Floats:
    """Return the integral over v from 0 to min(u, s) of (u - v)^(2-d)/(2-d)! (s - v)^2/2, shape (m, knots).

    Three Gauss points are exact, because the integrand is a polynomial of degree 4 at most. Left of the first knot the
    integral is zero.
    """
    upper = np.maximum(np.minimum(u[:, None], knots[None]), 0.0)
    total = np.zeros_like(upper)
    for point, weight in zip(*_GAUSS, strict=True):
        v = upper * (point + 1) / 2
        left = ((u[:, None] - v) ** 2 / 2, u[:, None] - v, 1.0)[derivative]
        total += weight / 2 * upper * left * (knots[None] - v) ** 2 / 2
    return total


def spline_through(x: Floats) -> Spline:
    """Return the spline with a knot at each distinct x, or at MOST_KNOTS of them, both ends included.

    Given the knots of such a spline, it returns the same spline.
    """
    distinct = np.unique(np.round(x, 6))
    picked = np.unique(np.linspace(0, len(distinct) - 1, min(len(distinct), MOST_KNOTS)).round().astype(int))
    return Spline(knots=tuple(distinct[picked].tolist()))


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A law of a single column: r_a by default, or top_k, or granularity."""

    name: str
    """Name of the law."""
    formula: str
    """The law as text."""
    source: str
    """Publication of the form."""
    parameters: tuple[str, ...]
    """Names of the coefficients that are not shrunk."""
    basis: Callable[[Floats], Basis]
    """x of the runs, shape (n,), or the knots of a fitted basis -> the basis."""
    smooths: bool = False
    """Whether further coefficients are shrunk by an amount estimated from the runs."""

    @property
    def rates(self) -> int:
        """Fewest distinct x for a fit: one for each coefficient, and one more to estimate the smoothing."""
        return len(self.parameters) + self.smooths

    def names(self, basis: Basis) -> tuple[str, ...]:
        """Return the names of all coefficients of `basis`; shrunk ones are w1, w2, ..."""
        return (*self.parameters, *(f"w{place}" for place in range(1, basis.size - basis.free + 1)))


def polynomial(degree: int) -> Callable[[Floats], Basis]:
    """Return the constructor of a polynomial basis, which is the same for all runs."""
    return lambda x: Powers(degree + 1)
