"""Profile of a cell over the place of its minimum: the residual sum of squares as a function of that x.

A polynomial with a minimum at x0 is one in (x - x0) without a linear term, whose quadratic coefficient is not negative.
At fixed x0 this is linear least squares, and all x0 are solved together.
"""

from dataclasses import dataclass

import numpy as np

from fits.runs.table import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class MinimumProfile:
    """One cell: the Gram matrix of x, x^2, x^3 and the loss, after the constant and the blocks are projected out."""

    gram: Floats
    """Shape (4, 4)."""
    degree: int
    """2 or 3."""
    dof: int
    """Runs less all coefficients of the unconstrained polynomial."""
    low: float
    """Smallest sampled x."""
    high: float
    """Largest sampled x."""
    blocks: Floats
    """Columns of the seeds' intercepts, shape (n, b)."""

    @property
    def free(self) -> float:
        """Residual sum of squares of the unconstrained polynomial."""
        powers = self.gram[: self.degree, : self.degree]
        against = self.gram[: self.degree, 3]
        return max(0.0, float(self.gram[3, 3] - against @ np.linalg.lstsq(powers, against, rcond=None)[0]))

    def residual(self, x0: Floats) -> Floats:
        """Return the residual sum of squares with the minimum at x0; x0 and the result have one shape, any."""
        u, v = self._columns(x0)
        uu, uy, yy = self._dot(u, u), self._against(u), self.gram[3, 3]
        if self.degree == 2:
            return np.asarray(yy - np.maximum(uy, 0.0) ** 2 / uu)
        uv, vv, vy = self._dot(u, v), self._dot(v, v), self._against(v)
        bend = uy * vv - vy * uv  # sign of the quadratic coefficient
        both = (uy * bend + vy * (vy * uu - uy * uv)) / (uu * vv - uv**2)
        return np.asarray(yy - np.where(bend >= 0, both, vy**2 / vv))

    def shape(self, x0: float) -> Floats:
        """Return the fitted coefficients of (x - x0)^2 and (x - x0)^3, shape (2,)."""
        u, v = self._columns(np.array(x0))
        if self.degree == 2:
            return np.array([max(float(self._against(u) / self._dot(u, u)), 0.0), 0.0])
        uv = self._dot(u, v)
        normal = np.array([[self._dot(u, u), uv], [uv, self._dot(v, v)]], float)
        found = np.linalg.solve(normal, np.array([self._against(u), self._against(v)], float))
        return found if found[0] >= 0 else np.array([0.0, float(self._against(v) / self._dot(v, v))])

    def moved(self, x0: float, shape: Floats) -> "MinimumProfile":
        """Return the cell with noise-free losses whose minimum is at x0 with the coefficients `shape`."""
        u, v = self._columns(np.array(x0))
        curve = shape[0] * u + shape[1] * v  # in terms of x, x^2, x^3
        against = self.gram[:3, :3] @ curve
        gram = self.gram.copy()
        gram[:3, 3] = gram[3, :3] = against
        gram[3, 3] = curve @ against
        return MinimumProfile(
            gram=gram, degree=self.degree, dof=self.dof, low=self.low, high=self.high, blocks=self.blocks
        )

    def _columns(self, x0: Floats) -> tuple[Floats, Floats]:
        """Return (x - x0)^2 and (x - x0)^3 as coefficients of x, x^2 and x^3, each of shape (3, ...)."""
        one, none = np.ones_like(x0), np.zeros_like(x0)
        return np.stack([-2 * x0, one, none]), np.stack([3 * x0**2, -3 * x0, one])

    def _dot(self, a: Floats, b: Floats) -> Floats:
        return np.asarray(np.einsum("i...,ij,j...->...", a, self.gram[:3, :3], b))

    def _against(self, a: Floats) -> Floats:
        return np.asarray(np.einsum("i...,i->...", a, self.gram[:3, 3]))


def minimum_profile(x: Floats, loss: Floats, blocks: Floats, degree: int) -> MinimumProfile:
    """Return the profile of runs at x, shape (n,), with block columns (n, b)."""
    base = np.hstack([np.ones((len(x), 1)), blocks])
    q = np.linalg.qr(base)[0]
    columns = np.column_stack([x, x**2, x**3, loss - loss.mean()])
    rest = columns - q @ (q.T @ columns)
    return MinimumProfile(
        gram=rest.T @ rest,
        degree=degree,
        dof=len(x) - base.shape[1] - degree,
        low=float(x.min()),
        high=float(x.max()),
        blocks=blocks,
    )
