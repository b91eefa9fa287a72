"""From a table and a law to a result: what the runs can determine, the fit, and the intervals of its parameters."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fits.intervals import percentile
from fits.laws.law import Law
from fits.result import FitResult, OtherMinimum, Param, Search
from fits.runs.table import RunTable
from fits.status import NO_CAUSE, Cause, Status, Why
from fits.surface.bootstrap import Draws, points, resample
from fits.surface.identifiability import SHARE, FlatParameter, flat_parameters
from fits.surface.problem import Problem
from fits.surface.search import SearchMethod, Solution, solve
from planners.records.errors import UsageError

SPREAD = 0.05
"""Range of ln of a column below which its term is not fitted: matched arms differ in N by less."""
COLLINEAR = 1e-4
"""1 - R^2 of two logarithmic columns below which they count as one (a constant D / N, up to rounding)."""
SINGULAR = 1e7
"""Condition number of the scaled Jacobian above which parameters cannot be told apart."""
FEW_POINTS = 30
"""Distinct points below which resampled intervals are marked as too narrow."""
FEW_DRAWS = 100
"""Draws below which the ends of a 95 % interval rest on one or two of them."""


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What becomes of the parameters."""

    status: Status
    cause: Cause | None = None
    params: dict[str, Param]
    interval: str
    solution: Solution | None = None
    draws: Draws | None = None
    flat: tuple[FlatParameter, ...] = ()
    notes: tuple[str, ...] = ()


def fit_surface(
    table: RunTable,
    law: Law,
    *,
    delta: float = 1e-3,
    bootstrap: int = 200,
    seed: int = 0,
    fixed: Mapping[str, float] | None = None,
) -> tuple[FitResult, Draws | None]:
    """Fit `law` to every run of `table` and return the result with its bootstrap draws.

    `delta` is the Huber width in ln L (inf: least squares, 0: least absolute deviations), `bootstrap` the number of
    draws (0: no interval), `fixed` holds parameters at given values. Runs that do not determine the law give the status
    not_identified. Raises UsageError for a value or setting that cannot be true.
    """
    if math.isnan(delta) or delta < 0:
        raise UsageError(f"delta {delta!r} must be a number such as 0.001, 0 for least deviations or inf for squares")
    if bootstrap < 0:
        raise UsageError(f"bootstrap {bootstrap!r} must be a number of draws, 0 for none")
    problem, notes = _problem(table, law, delta, fixed or {})
    cause = _undetermined(problem)
    if cause:
        return _result(table, problem, _nothing(law, cause, notes=notes)), None
    solution = solve(problem)
    if solution.condition > SINGULAR:
        cause = Why.SINGULAR.because(columns=" and ".join(law.columns))
        return _result(table, problem, _nothing(law, cause, solution, notes)), None
    draws = resample(problem, solution, bootstrap, seed) if bootstrap else None
    return _result(table, problem, _outcome(problem, solution, draws, notes)), draws


def _problem(table: RunTable, law: Law, delta: float, fixed: Mapping[str, float]) -> tuple[Problem, tuple[str, ...]]:
    """Return the problem with its runs in an order of their own, so that the order of the table changes nothing."""
    for name, value in fixed.items():
        law.coordinate(name, value)
    if len(fixed) >= len(law.parameters):
        raise UsageError(f"every parameter of {law.name} is fixed; leave one to be fitted")
    used = table.only(table.rates() < 1 - 1e-9) if "r_a" in law.columns else table
    left = len(table) - len(used)
    notes = (f"{left} dense runs left out: a dense model is another architecture than a rate of 1",) if left else ()
    columns = law.read(used)
    loss = used.numbers(law.response)
    problem = Problem(law=law, columns=columns, loss=loss, delta=delta, fixed=dict(fixed))
    return problem.take(np.lexsort([loss, *columns.values()])), notes


def _undetermined(problem: Problem) -> Cause | None:
    """Return why the runs cannot determine the law, as far as that is seen before fitting."""
    distinct = int(points(problem).max()) + 1 if len(problem.loss) else 0
    if distinct <= len(problem.free):
        return Why.FEW_POINTS.because(points=distinct, k=len(problem.free))
    if problem.fixed:  # what is held may be what the runs could not tell: the condition of the fit will say
        return None
    varied = {name: values for name, values in problem.logs.items() if name != "U"}  # one U and several D are enough
    for name, values in varied.items():
        if np.ptp(values) < SPREAD:
            return Why.ONE_VALUE.because(name=name)
    for one, other in itertools.combinations([name for name, x in problem.logs.items() if np.ptp(x) >= SPREAD], 2):
        if 1 - np.corrcoef(problem.logs[one], problem.logs[other])[0, 1] ** 2 < COLLINEAR:
            return Why.ON_A_LINE.because(one=one, other=other)
    return None


def _nothing(law: Law, cause: Cause, solution: Solution | None = None, notes: tuple[str, ...] = ()) -> _Outcome:
    params = {name: Param(name=name, value=None, status=Status.NOT_IDENTIFIED) for name in law.parameters}
    interval = f"none: {cause['reason']}"
    return _Outcome(
        status=Status.NOT_IDENTIFIED, cause=cause, params=params, interval=interval, solution=solution, notes=notes
    )


def _outcome(problem: Problem, solution: Solution, draws: Draws | None, notes: tuple[str, ...]) -> _Outcome:
    flat = flat_parameters(problem, solution)
    status, cause, statuses = _statuses(problem, solution, flat)
    values = problem.law.natural(solution.theta)
    params = {
        name: _param(name, float(values[i]) if solution.acting[i] else None, statuses[i], draws, i)
        for i, name in enumerate(problem.law.parameters)
    }
    interval, about = _about_draws(problem, draws)
    return _Outcome(
        status=status,
        cause=cause,
        params=params,
        interval=interval,
        solution=solution,
        draws=draws,
        flat=flat,
        notes=(*notes, *about),
    )


def _statuses(
    problem: Problem, solution: Solution, flat: tuple[FlatParameter, ...]
) -> tuple[Status, Cause | None, list[Status]]:
    """Return the status of the fit, its cause, and the status of each parameter."""
    names = np.array(problem.law.parameters)
    idle = ~solution.acting & ~solution.fixed
    loose = np.isin(names, [one.name for one in flat])
    conditions = [solution.fixed, idle | loose, solution.at_bound]
    codes = np.select(conditions, [Status.FIXED, Status.NOT_IDENTIFIED, Status.AT_BOUND], Status.CONVERGED)
    each = [Status(code) for code in codes.tolist()]
    if not solution.converged:
        cause = Why.NOT_CONVERGED.because(gradient=solution.gradient)
        return Status.MAX_ITER, cause, [Status.MAX_ITER if one is Status.CONVERGED else one for one in each]
    if idle.any():
        return Status.NOT_IDENTIFIED, Why.TERM_VANISHED.because(names=", ".join(names[idle])), each
    if solution.at_bound.any():
        return Status.AT_BOUND, Why.BOUND_REACHED.because(names=", ".join(names[solution.at_bound])), each
    if flat:
        return Status.NOT_IDENTIFIED, Cause(why=Why.FLAT, reason="; ".join(map(_flatness, flat))), each
    return Status.CONVERGED, None, each


def _flatness(flat: FlatParameter) -> str:
    ends = [None if end is None else f"{end:.3g}" for end in (flat.lo, flat.hi)]
    span = f"{ends[0] or 'no lower end'} to {ends[1] or 'no upper end'}"
    return Why.FLAT.sentence(name=flat.name, span=span, share=SHARE)


def _param(name: str, value: float | None, status: Status, draws: Draws | None, place: int) -> Param:
    if value is None or draws is None or status is Status.FIXED:
        return Param(name=name, value=value, lo=None, hi=None, status=status)
    lo, hi = percentile(draws.values[:, place])
    known = math.isfinite(lo)
    return Param(name=name, value=value, lo=lo if known else None, hi=hi if known else None, status=status)


def _about_draws(problem: Problem, draws: Draws | None) -> tuple[str, tuple[str, ...]]:
    if draws is None:
        return "none: no bootstrap was asked for", ()
    distinct, count = int(points(problem).max()) + 1, len(draws.values)
    notes = []
    if distinct < FEW_POINTS:
        notes.append(f"{distinct} distinct points are few to resample: the intervals are probably too narrow")
    if count < FEW_DRAWS:
        notes.append(f"{count} draws are few: the ends of the intervals are rough")
    return (
        f"bootstrap with gamma weights of {distinct} points, {count} draws, seed {draws.seed}, percentile 95 %",
        tuple(notes),
    )


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
    dof = n - len(problem.free)
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
        objective_name=_objective_name(problem),
        status=outcome.status,
        **(outcome.cause or NO_CAUSE),
        params=outcome.params,
        covariance=_covariance(outcome),
        residual_sd=float(np.sqrt(residuals @ residuals / dof)) if residuals is not None else None,
        optimum=None,
        interval=outcome.interval,
        domain={name: (float(x.min()), float(x.max())) for name, x in problem.columns.items() if n},
        search=_search(problem, outcome),
        lack_of_fit=None,
        blocks=None,
        dropped=table.dropped,
        notes=outcome.notes,
    )


def _objective_name(problem: Problem) -> str:
    if problem.delta == 0:
        return "sum of |ln L - ln L_fit|"
    if math.isinf(problem.delta):
        return "half the sum of squares of ln L - ln L_fit"
    return f"sum of Huber({problem.delta:g}) of ln L - ln L_fit"


def _search(problem: Problem, outcome: _Outcome) -> Search | None:
    solution, law = outcome.solution, problem.law
    if solution is None:
        return None
    others = (
        OtherMinimum(
            params=dict(zip(law.parameters, law.natural(basin.theta).tolist(), strict=True)),
            objective=basin.objective,
            starts=basin.starts,
        )
        for basin in solution.basins
    )
    return Search(
        starts=solution.starts,
        agreeing=solution.agreeing,
        gradient=solution.gradient,
        condition=solution.condition if math.isfinite(solution.condition) else None,
        within=SearchMethod.within,
        others=tuple(others),
        flat={one.name: (one.lo, one.hi) for one in outcome.flat},
    )
