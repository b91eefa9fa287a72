"""From a table and a law to a result: what the runs can determine, the fit, and the intervals of its parameters."""

import itertools
import math
from dataclasses import dataclass

import numpy as np

from fits.bootstrap import Draws, points, resample
from fits.engine import Law, Problem, Solution, solve
from fits.intervals import percentile
from fits.result import FitResult, Param, Search
from fits.table import Floats, RunTable
from planners.errors import UsageError

SPREAD = 0.05
"""Range of ln of a column below which its term is not fitted: matched arms differ in N by less."""
COLLINEAR = 1e-4
"""1 - R^2 of two logarithmic columns below which they count as one (a constant D / N, up to rounding)."""
SINGULAR = 1e-7
"""Smallest over largest singular value of the scaled Jacobian below which parameters cannot be told apart."""
FEW_POINTS = 30
"""Distinct points below which resampled intervals are marked as too narrow."""
FEW_DRAWS = 100
"""Draws below which the ends of a 95 % interval rest on one or two of them."""


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What becomes of the parameters."""

    status: str
    reason: str | None = None
    params: dict[str, Param]
    interval: str
    solution: Solution | None = None
    draws: Draws | None = None
    notes: tuple[str, ...] = ()


def fit_surface(
    table: RunTable, law: Law, *, delta: float = 1e-3, bootstrap: int = 200, seed: int = 0
) -> tuple[FitResult, Draws | None]:
    """Fit `law` to every run of `table` and return the result with its bootstrap draws.

    `delta` is the Huber width in ln L, `bootstrap` the number of draws (0: no interval). Runs that do not determine
    the law give the status not_identified. Raises UsageError for a value or setting that cannot be true.
    """
    if not (math.isfinite(delta) and delta > 0):
        raise UsageError(f"delta {delta!r} must be a positive number, such as 0.001")
    if bootstrap < 0:
        raise UsageError(f"bootstrap {bootstrap!r} must be a number of draws, 0 for none")
    problem = _problem(table, law, delta)
    reason = _undetermined(problem)
    if reason:
        return _result(table, problem, _nothing(law, reason)), None
    solution = solve(problem, law.starts(problem.columns, problem.loss))
    if _singular(problem, solution):
        reason = f"the runs do not tell the parameters apart; vary {' and '.join(law.columns)} further, in more steps"
        return _result(table, problem, _nothing(law, reason, solution)), None
    draws = resample(problem, solution, bootstrap, seed) if bootstrap else None
    return _result(table, problem, _outcome(problem, solution, draws)), draws


def _problem(table: RunTable, law: Law, delta: float) -> Problem:
    """Return the problem with its runs in an order of their own, so that the order of the table changes nothing."""
    columns = {name: table.numbers(name) for name in law.columns}
    loss = table.numbers("loss")
    order = np.lexsort([loss, *columns.values()])
    problem = Problem(law=law, columns=columns, loss=loss, delta=delta)
    return problem.take(order)


def _undetermined(problem: Problem) -> str | None:
    """Return why the runs cannot determine the law, as far as that is seen before fitting."""
    law = problem.law
    distinct = len(points(problem)) if len(problem.loss) else 0
    if distinct <= len(law.parameters):
        return f"{distinct} distinct points do not determine {len(law.parameters)} parameters; add runs"
    logs = {name: np.log(values) for name, values in problem.columns.items()}
    for name, values in logs.items():
        if np.ptp(values) < SPREAD:
            return f"{name} is nearly the same in every run, so its term cannot be told from a constant; vary {name}"
    for one, other in itertools.combinations(logs, 2):
        if 1 - np.corrcoef(logs[one], logs[other])[0, 1] ** 2 < COLLINEAR:
            return f"ln {one} and ln {other} lie on one line, so their terms cannot be told apart; vary {other} / {one}"
    return None


def _singular(problem: Problem, solution: Solution) -> bool:
    """Return whether the parameters that act and are free have a direction that changes no fitted loss."""
    keep = solution.acting & ~solution.at_bound
    jacobian = problem.law.jacobian(solution.theta, problem.columns)[:, keep]
    singular = np.linalg.svd(jacobian / np.linalg.norm(jacobian, axis=0), compute_uv=False)
    return bool(singular[-1] < SINGULAR * singular[0])


def _nothing(law: Law, reason: str, solution: Solution | None = None) -> _Outcome:
    params = {name: Param(name=name, value=None, lo=None, hi=None, status="not_identified") for name in law.parameters}
    return _Outcome(
        status="not_identified", reason=reason, params=params, interval=f"none: {reason}", solution=solution
    )


def _outcome(problem: Problem, solution: Solution, draws: Draws | None) -> _Outcome:
    status, reason, statuses = _statuses(problem, solution)
    values = problem.law.natural(solution.theta)
    params = {
        name: _param(name, float(values[i]), statuses[i], None if draws is None else draws.values[:, i])
        for i, name in enumerate(problem.law.parameters)
    }
    interval, notes = _about_draws(problem, draws)
    return _Outcome(
        status=status, reason=reason, params=params, interval=interval, solution=solution, draws=draws, notes=notes
    )


def _statuses(problem: Problem, solution: Solution) -> tuple[str, str | None, list[str]]:
    """Return the status of the fit, its reason, and the status of each parameter."""
    names = np.array(problem.law.parameters)
    idle = ~solution.acting
    each = np.where(idle, "not_identified", np.where(solution.at_bound, "at_bound", "converged")).tolist()
    if not solution.converged:
        reason = f"the search ended short of a minimum (relative gradient {solution.gradient:.1e}); try a larger delta"
        return "max_iter", reason, ["max_iter" if status == "converged" else status for status in each]
    if idle.any():
        return "not_identified", f"no run depends on {', '.join(names[idle])}: the term has vanished", each
    if solution.at_bound.any():
        return "at_bound", f"{', '.join(names[solution.at_bound])} ended at a bound of the search", each
    return "converged", None, each


def _param(name: str, value: float, status: str, draws: Floats | None) -> Param:
    if status == "not_identified":
        return Param(name=name, value=None, lo=None, hi=None, status=status)
    lo, hi = (None, None) if draws is None else percentile(draws)
    known = lo is not None and math.isfinite(lo)
    return Param(name=name, value=value, lo=lo if known else None, hi=hi if known else None, status=status)


def _about_draws(problem: Problem, draws: Draws | None) -> tuple[str, tuple[str, ...]]:
    if draws is None:
        return "none: no bootstrap was asked for", ()
    distinct, count = len(points(problem)), len(draws.values)
    failed = int((~np.isfinite(draws.values)).any(axis=1).sum())
    notes = []
    if failed:
        notes.append(f"{failed} of {count} draws held too few distinct points and are left out of the intervals")
    if distinct < FEW_POINTS:
        notes.append(f"{distinct} distinct points are few to resample: the intervals are probably too narrow")
    if count < FEW_DRAWS:
        notes.append(f"{count} draws are few: the ends of the intervals are rough")
    return f"case bootstrap of {distinct} points, {count} draws, seed {draws.seed}, percentile 95 %", tuple(notes)


def _covariance(outcome: _Outcome) -> tuple[tuple[float, ...], ...] | None:
    """Return the covariance of the draws, where there are enough of them and every parameter is known."""
    draws = outcome.draws
    if draws is None or any(param.value is None for param in outcome.params.values()):
        return None
    finite = draws.values[np.isfinite(draws.values).all(axis=1)]
    if len(finite) <= finite.shape[1]:
        return None
    return tuple(map(tuple, np.cov(finite, rowvar=False).tolist()))


def _result(table: RunTable, problem: Problem, outcome: _Outcome) -> FitResult:
    law, solution, n = problem.law, outcome.solution, len(problem.loss)
    dof = n - len(law.parameters)
    known = solution is not None and any(param.value is not None for param in outcome.params.values())
    residuals = problem.residuals(solution.theta) if solution and known else None
    return FitResult(
        law=law.name,
        formula=law.formula,
        source=law.source,
        data=table.source,
        data_hash=table.data_hash,
        n=n,
        dof=dof,
        objective=solution.objective if solution else None,
        objective_name=f"sum of Huber({problem.delta:g}) of ln L - ln L_fit",
        status=outcome.status,
        reason=outcome.reason,
        params=outcome.params,
        covariance=_covariance(outcome),
        residual_sd=float(np.sqrt(residuals @ residuals / dof)) if residuals is not None else None,
        optimum=None,
        interval=outcome.interval,
        domain={name: (float(x.min()), float(x.max())) for name, x in problem.columns.items() if n},
        search=_search(solution),
        lack_of_fit=None,
        blocks=None,
        dropped=table.dropped,
        notes=outcome.notes,
    )


def _search(solution: Solution | None) -> Search | None:
    if solution is None:
        return None
    return Search(starts=solution.starts, agreeing=solution.agreeing, gradient=solution.gradient)
