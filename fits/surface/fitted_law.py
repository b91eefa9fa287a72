"""A law at the minimum of its problem, with the runs and the draws: what predictions are computed from."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fits.intervals import LEVEL, t_quantile
from fits.laws import LAWS
from fits.laws.law import Columns, Law
from fits.runs.table import Floats, RunTable
from fits.surface.bootstrap import Draws, points, resample
from fits.surface.fitting_problem import Problem, held_at_one_value
from fits.surface.search import SearchMethod, Solution, solve

FORMS = (("chinchilla", "skaling", "gadre", "kaplan2020"), ("activation", "activation_powers", "activation_additive"))
"""Laws of the same columns: each is another form for the others."""
CLOSE = 10.0
"""AICc above the lowest up to which a form counts as one that fits."""
OWN = 0.3
"""Least weight of the fitted law among the forms: what it says itself is never lost from an interval."""
FORM_DRAWS = 200
"""Most bootstrap draws of another form."""
STARTS = 4
"""Starting points from which another form is fitted: those of its starts with the lowest objective."""
MANY = 60
"""Runs from which the noise of a run is the quantile of the residuals, and not that of normal noise."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedLaw:
    """A law fitted to runs."""

    table: RunTable
    """The runs, dense ones included."""
    problem: Problem
    """The law, its columns and the objective."""
    solution: Solution
    """The minimum."""
    draws: Draws | None = None
    """Bootstrap draws; None if there are none."""
    block: str | None = None
    """Column whose groups were drawn, and not the points."""

    @property
    def law(self) -> Law:
        """The law."""
        return self.problem.law

    @property
    def theta(self) -> Floats:
        """The parameters at the minimum, shape (p,)."""
        return self.solution.theta

    @cached_property
    def thetas(self) -> Floats:
        """The finite draws as the search sees them, shape (B, p); B = 0 without draws."""
        if self.draws is None:
            return np.empty((0, len(self.theta)))
        logs = np.isin(self.law.parameters, self.law.positive)
        with np.errstate(all="ignore"):
            values = np.where(logs, np.log(self.draws.values), self.draws.values)
        return values[np.isfinite(values).all(axis=1)]

    @cached_property
    def points(self) -> int:
        """Number of distinct points."""
        return int(points(self.problem).max()) + 1

    @cached_property
    def residuals(self) -> Floats:
        """ln L_fit - ln L of the runs, shape (n,)."""
        return self.problem.residuals(self.theta)

    @cached_property
    def noise(self) -> float:
        """Half the 95 % interval of ln L of one run: the quantile of many residuals, else of Student's t."""
        n, more = len(self.residuals), math.sqrt(len(self.residuals) / max(self.dof, 1))
        if n >= MANY:
            return more * float(np.quantile(np.abs(self.residuals), min(LEVEL * (1 + 1 / n), 1.0)))
        return t_quantile(max(self.dof, 1)) * more * float(np.sqrt(np.mean(self.residuals**2)))

    @property
    def dof(self) -> int:
        """Runs less fitted parameters."""
        return len(self.problem.loss) - len(self.problem.free)

    @cached_property
    def aicc(self) -> float:
        """AICc up to a constant: normal noise for least squares, else Laplace noise; infinite for few runs."""
        n, k = len(self.residuals), len(self.problem.free) + 1
        if n <= k + 1:
            return math.inf
        squares = math.isinf(self.problem.delta)
        size = np.mean(self.residuals**2) ** 0.5 if squares else np.mean(np.abs(self.residuals))
        return float(2 * n * np.log(size + 1e-300) + 2 * k + 2 * k * (k + 1) / (n - k - 1))

    @cached_property
    def forms(self) -> "tuple[FittedLaw, ...]":
        """The other forms fitted to the same runs, those that converge."""
        found = []
        for name in next((forms for forms in FORMS if self.law.name in forms), ()):
            if name != self.law.name and (form := self.refitted(name)) is not None:
                found.append(form)
        return tuple(found)

    @cached_property
    def close(self) -> "tuple[FittedLaw, ...]":
        """The other forms that describe the runs nearly as well as the best of all forms, with draws if this has."""
        best = min(each.aicc for each in (self, *self.forms))
        return tuple(each.drawn(self.draws) for each in self.forms if each.aicc <= best + CLOSE)

    @cached_property
    def weights(self) -> Floats:
        """Weights of this law and of the close forms: Akaike's, and at least OWN for this law."""
        aicc = np.array([each.aicc for each in (self, *self.close)])
        found = np.exp((np.min(aicc) - aicc) / 2) if np.isfinite(aicc).all() else np.ones(len(aicc))
        found /= found.sum()
        if len(found) > 1 and found[0] < OWN:
            found[1:] *= (1 - OWN) / found[1:].sum()
            found[0] = OWN
        return np.asarray(found)

    def drawn(self, like: Draws | None) -> "FittedLaw":
        """Return this form with bootstrap draws, as many as `like` has, up to FORM_DRAWS."""
        if like is None:
            return self
        count = min(len(like.values), FORM_DRAWS)
        return replace(self, draws=resample(self.problem, self.solution, count, like.seed, self.block))

    def refitted(self, name: str) -> "FittedLaw | None":
        """Return the law `name` fitted to the same runs with the same objective; None where it does not converge."""
        law, columns = LAWS[name], self.problem.columns
        assert isinstance(law, Law)
        fixed = held_at_one_value(law, columns)
        loss, delta = self.problem.loss, self.problem.delta
        groups = self.problem.groups
        problem = Problem(law=law, columns=columns, loss=loss, delta=delta, fixed=fixed, groups=groups)
        if self.points <= len(problem.free):
            return None
        points = problem.point(law.starts(law, problem.logs, problem.target))
        first = np.argsort([problem.objective(point) for point in points], kind="stable")[:STARTS]
        found = solve(problem, SearchMethod(starts=points[first]))
        if not found.converged:
            return None
        return FittedLaw(table=self.table, problem=problem, solution=found, block=self.block)

    def log_loss(self, thetas: Floats, logs: Columns) -> Floats:
        """Return ln L, shape (B, m), of several theta (B, p) at logarithms of the columns, each (m,) or (B, m)."""
        return self.law.log_loss(thetas.T[:, :, None], logs)
