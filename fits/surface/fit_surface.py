"""From a table and a law of several columns to a result: what the runs can determine, the fit, and its intervals."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace

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
"""Range of ln of a column below which its term is not fitted. N of matched arms differs by less."""
COLLINEAR = 1e-4
"""1 - R^2 of two logarithmic columns below which they count as one (constant D / N, up to rounding)."""
SINGULAR = 1e7
"""Condition number of the scaled Jacobian above which the runs do not separate the parameters."""
FEW_POINTS = 30
"""Distinct points below which a note says that bootstrap intervals are too narrow."""
FEW_DRAWS = 100
"""Draws below which a note says that the ends of the intervals are rough."""


def fit_surface(
    table: RunTable,
    law: Law,
    *,
    delta: float = 1e-3,
    bootstrap: int = 200,
    seed: int = 0,
    fixed: Mapping[str, float] | None = None,
) -> tuple[FitResult, Draws | None]:
    """Fit `law` to all runs of `table`; return the result and its bootstrap draws.

    `delta` is the Huber width in ln L (inf: least squares, 0: least absolute deviations). `bootstrap` is the number of
    draws (0: no intervals). `fixed` holds parameters at given values. If the runs do not determine the law, the status
    is not_identified. Raises UsageError for an impossible value or setting.
    """
    if math.isnan(delta) or delta < 0:
        raise UsageError(f"delta {delta!r} must be a number such as 0.001, 0 for least deviations or inf for squares")
    if bootstrap < 0:
        raise UsageError(f"bootstrap {bootstrap!r} must be a number of draws, 0 for none")
    problem, notes = _problem(table, law, delta, fixed or {})
    blank = _blank(table, problem, notes)
    cause = _undetermined(problem)
    if cause:
        return replace(blank, **cause, interval=f"none: {cause['reason']}"), None
    solution = solve(problem)
    if solution.condition > SINGULAR:
        cause = Why.SINGULAR.because(columns=" and ".join(law.columns))
        found = replace(blank, **cause, interval=f"none: {cause['reason']}", objective=solution.objective)
        return replace(found, search=_search(problem, solution)), None
    draws = resample(problem, solution, bootstrap, seed) if bootstrap else None
    return _fitted(blank, problem, solution, draws), draws


def _problem(table: RunTable, law: Law, delta: float, fixed: Mapping[str, float]) -> tuple[Problem, tuple[str, ...]]:
    """Return the problem and notes on it. The runs are sorted, so the order of the table does not change the result."""
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
    """Return why the runs cannot determine the law, so far as the columns alone show it."""
    distinct = int(points(problem).max()) + 1 if len(problem.loss) else 0
    if distinct <= len(problem.free):
        return Why.FEW_POINTS.because(points=distinct, k=len(problem.free))
    if problem.fixed:  # a fixed parameter may be the one in question; the condition of the fit decides
        return None
    varied = {name: values for name, values in problem.logs.items() if name != "U"}  # one U and several D are enough
    for name, values in varied.items():
        if np.ptp(values) < SPREAD:
            return Why.ONE_VALUE.because(name=name)
    for one, other in itertools.combinations([name for name, x in problem.logs.items() if np.ptp(x) >= SPREAD], 2):
        if 1 - np.corrcoef(problem.logs[one], problem.logs[other])[0, 1] ** 2 < COLLINEAR:
            return Why.ON_A_LINE.because(one=one, other=other)
    return None


def _blank(table: RunTable, problem: Problem, notes: tuple[str, ...]) -> FitResult:
    """Return the result before anything is fitted."""
    law, n = problem.law, len(problem.loss)
    return FitResult(
        law=law.name,
        formula=law.formula,
        source=law.source,
        data=table.source,
        data_hash=table.data_hash,
        n=n,
        dof=n - len(problem.free),
        objective_name=_objective_name(problem),
        status=Status.NOT_IDENTIFIED,
        params={name: Param(name=name, status=Status.NOT_IDENTIFIED) for name in law.parameters},
        interval="none",
        domain={name: (float(x.min()), float(x.max())) for name, x in problem.columns.items() if n},
        dropped=table.dropped,
        notes=notes,
    )


def _fitted(blank: FitResult, problem: Problem, solution: Solution, draws: Draws | None) -> FitResult:
    flat = flat_parameters(problem, solution)
    status, cause, statuses = _statuses(problem, solution, flat)
    values = problem.law.natural(solution.theta)
    params = {
        name: _param(name, float(values[i]) if solution.acting[i] else None, statuses[i], draws, i)
        for i, name in enumerate(problem.law.parameters)
    }
    interval, about = _about_draws(problem, draws)
    residuals, known = problem.residuals(solution.theta), [param.value is not None for param in params.values()]
    return replace(
        blank,
        status=status,
        **(cause or NO_CAUSE),
        params=params,
        covariance=_covariance(draws) if draws and all(known) else None,
        objective=solution.objective,
        residual_sd=float(np.sqrt(residuals @ residuals / blank.dof)) if any(known) else None,
        interval=interval,
        search=_search(problem, solution, flat),
        notes=(*blank.notes, *about),
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
        return Param(name=name, value=value, status=status)
    lo, hi = percentile(draws.values[:, place])
    known = math.isfinite(lo)
    return Param(name=name, value=value, lo=lo if known else None, hi=hi if known else None, status=status)


def _about_draws(problem: Problem, draws: Draws | None) -> tuple[str, tuple[str, ...]]:
    """Return how the intervals were made, and notes on them."""
    if draws is None:
        return "none: no bootstrap draws were requested", ()
    distinct, count = int(points(problem).max()) + 1, len(draws.values)
    notes = []
    if distinct < FEW_POINTS:
        notes.append(f"{distinct} distinct points are few to resample: the intervals are probably too narrow")
    if count < FEW_DRAWS:
        notes.append(f"{count} draws are few: the ends of the intervals are rough")
    how = f"bootstrap with gamma weights of {distinct} points, {count} draws, seed {draws.seed}, percentile 95 %"
    return how, tuple(notes)


def _covariance(draws: Draws) -> tuple[tuple[float, ...], ...] | None:
    """Return the covariance of the finite draws; None if they are too few."""
    finite = draws.values[np.isfinite(draws.values).all(axis=1)]
    if len(finite) <= finite.shape[1]:
        return None
    return tuple(map(tuple, np.cov(finite, rowvar=False).tolist()))


def _objective_name(problem: Problem) -> str:
    if problem.delta == 0:
        return "sum of |ln L - ln L_fit|"
    if math.isinf(problem.delta):
        return "half the sum of squares of ln L - ln L_fit"
    return f"sum of Huber({problem.delta:g}) of ln L - ln L_fit"


def _search(problem: Problem, solution: Solution, flat: tuple[FlatParameter, ...] = ()) -> Search:
    law = problem.law
    others = (
        OtherMinimum(
            params=dict(zip(law.parameters, law.natural(other.theta).tolist(), strict=True)),
            objective=other.objective,
            starts=other.starts,
        )
        for other in solution.others
    )
    return Search(
        starts=solution.starts,
        agreeing=solution.agreeing,
        gradient=solution.gradient,
        condition=solution.condition if math.isfinite(solution.condition) else None,
        within=SearchMethod.within,
        others=tuple(others),
        flat={one.name: (one.lo, one.hi) for one in flat},
    )
