"""From a table and a law of several columns to a result: what the runs can determine, the fit, and its intervals."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fits.intervals import percentile, percentile_error
from fits.laws.law import Law
from fits.result import FitResult, OtherMinimum, Param, Search
from fits.runs.table import RunTable
from fits.status import NO_CAUSE, Cause, Status, Why
from fits.surface.bootstrap import Draws, points, resample
from fits.surface.fitted_law import FittedLaw
from fits.surface.fitting_problem import ONE_VALUE, Problem, held_at_one_value
from fits.surface.identifiability import SHARE, FlatParameter, flat_parameters
from fits.surface.search import SearchMethod, Solution, solve
from fits.surface.shared_noise import lack_of_law, noise_groups, shared_noise
from planners.records.errors import UsageError

COLLINEAR = 1e-4
"""1 - R^2 of two logarithmic columns below which they count as one (constant D / N, up to rounding)."""
SINGULAR = 1e7
"""Condition number of the scaled Jacobian above which the runs do not separate the parameters."""
FEW_POINTS = 30
"""Distinct points below which a note says that bootstrap intervals are too narrow."""
FEW_BLOCKS = 8
"""Groups of a block bootstrap below which a note says that its intervals are too narrow."""
BOUND_SHARE = 1e-3
"""Distance from a bound, relative to the range of the search, within which an end of an interval reaches it."""
VANISHED = 1e-3
"""Share of the estimate below which the lower end of a positive parameter counts as zero."""
HELD = "all runs have one N: {names} were held, and the fit is for that N only"
"""Note on parameters that the runs cannot determine because they share a value."""
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
    block: str | None = None,
) -> tuple[FitResult, Draws | None]:
    """Fit `law` to all runs of `table`; return the result and its bootstrap draws.

    `delta` is the Huber width in ln L (inf: least squares, 0: least absolute deviations). `bootstrap` is the number of
    draws (0: no intervals). `fixed` holds parameters at given values. `block` is a column whose values share noise,
    such as C: then its groups are drawn, and not the points. If the runs do not determine the law, the status is
    not_identified. Raises UsageError for an impossible value or setting.
    """
    if math.isnan(delta) or delta < 0:
        raise UsageError(f"delta {delta!r} must be a number such as 0.001, 0 for least deviations or inf for squares")
    if bootstrap < 0:
        raise UsageError(f"bootstrap {bootstrap!r} must be a number of draws, 0 for none")
    problem, notes = _problem(table, law, delta, fixed or {}, block)
    blank = _blank(table, problem, notes)
    cause = _undetermined(problem)
    if cause:
        return replace(blank, **cause, interval=f"none: {cause['reason']}"), None
    solution = solve(problem)
    if solution.condition > SINGULAR:
        cause = Why.SINGULAR.because(columns=" and ".join(law.columns))
        found = replace(blank, **cause, interval=f"none: {cause['reason']}", objective=solution.objective)
        return replace(found, search=_search(problem, solution)), None
    draws = resample(problem, solution, bootstrap, seed, block) if bootstrap else None
    fitted = _fitted(blank, problem, solution, draws, block)
    behind = FittedLaw(table=table, problem=problem, solution=solution, draws=draws, block=block)
    return replace(fitted, behind=behind), draws


def _problem(
    table: RunTable, law: Law, delta: float, fixed: Mapping[str, float], block: str | None
) -> tuple[Problem, tuple[str, ...]]:
    """Return the problem and notes on it. The runs are sorted, so the order of the table does not change the result."""
    for name, value in fixed.items():
        law.coordinate(name, value)
    if len(fixed) >= len(law.parameters):
        raise UsageError(f"every parameter of {law.name} is fixed; leave one to be fitted")
    used = table.only(table.rates() < 1 - 1e-9) if "r_a" in law.columns else table
    left = len(table) - len(used)
    notes = table.remarks
    if left:
        notes = (*notes, f"{left} dense runs left out: a dense model is another architecture than a rate of 1")
    columns = law.read(used)
    loss = used.numbers(law.response)
    groups = noise_groups(used, block)
    held = held_at_one_value(law, columns)
    if held:
        notes = (*notes, HELD.format(names=", ".join(f"{name} = {value:.3g}" for name, value in held.items())))
    problem = Problem(law=law, columns=columns, loss=loss, delta=delta, fixed=held | dict(fixed), groups=groups)
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
        if np.ptp(values) < ONE_VALUE:
            return Why.ONE_VALUE.because(name=name)
    for one, other in itertools.combinations([name for name, x in problem.logs.items() if np.ptp(x) >= ONE_VALUE], 2):
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


def _fitted(
    blank: FitResult, problem: Problem, solution: Solution, draws: Draws | None, block: str | None
) -> FitResult:
    flat = flat_parameters(problem, solution)
    status, cause, statuses = _statuses(problem, solution, flat, _reaching(problem, solution, draws))
    values = problem.law.natural(solution.theta)
    params = {
        name: _param(name, float(values[i]) if solution.acting[i] or solution.fixed[i] else None, statuses[i], draws, i)
        for i, name in enumerate(problem.law.parameters)
    }
    interval, about = _about_draws(problem, draws, block)
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
        shared_noise=shared_noise(problem, solution.theta),
        lack_of_fit=lack_of_law(problem, solution.theta, points(problem)),
        notes=(*blank.notes, *about),
    )


def _statuses(
    problem: Problem, solution: Solution, flat: tuple[FlatParameter, ...], reaching: NDArray[np.bool_]
) -> tuple[Status, Cause | None, list[Status]]:
    """Return the status of the fit, its cause, and the status of each parameter."""
    names = np.array(problem.law.parameters)
    idle = ~solution.acting & ~solution.fixed
    loose = np.isin(names, [one.name for one in flat])
    conditions = [solution.fixed, idle | loose, solution.at_bound, reaching]
    choices = [Status.FIXED, Status.NOT_IDENTIFIED, Status.AT_BOUND, Status.NOT_IDENTIFIED]
    codes = np.select(conditions, choices, Status.CONVERGED)
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
    if (reaching & ~solution.fixed).any():
        cause = Why.INTERVAL_REACHES_BOUND.because(names=", ".join(names[reaching & ~solution.fixed]))
        return Status.NOT_IDENTIFIED, cause, each
    return Status.CONVERGED, None, each


def _reaching(problem: Problem, solution: Solution, draws: Draws | None) -> NDArray[np.bool_]:
    """Return the parameters with an interval that reaches zero or a bound of the search, shape (p,)."""
    law = problem.law
    if draws is None:
        return np.zeros(len(law.parameters), bool)
    bounds, value = np.array(law.bounds), law.natural(solution.theta)
    room = BOUND_SHARE * np.where(np.isfinite(bounds).all(axis=1), np.ptp(bounds, axis=1), 0.0)
    low, high = law.natural(bounds[:, 0] + room), law.natural(bounds[:, 1] - room)
    positive = np.array([name in law.positive for name in law.parameters])
    ends = np.array([percentile(column, draws.level) for column in draws.values.T])
    vanished = positive & (ends[:, 0] < VANISHED * value)
    return np.asarray(vanished | (ends[:, 0] <= low) | (ends[:, 1] >= high))


def _flatness(flat: FlatParameter) -> str:
    ends = [None if end is None else f"{end:.3g}" for end in (flat.lo, flat.hi)]
    span = f"{ends[0] or 'no lower end'} to {ends[1] or 'no upper end'}"
    return Why.FLAT.sentence(name=flat.name, span=span, share=SHARE)


def _param(name: str, value: float | None, status: Status, draws: Draws | None, place: int) -> Param:
    if value is None or draws is None or status is Status.FIXED:
        return Param(name=name, value=value, status=status)
    column = draws.values[:, place]
    ends, errors = percentile(column, draws.level), percentile_error(column, draws.level)
    lo, hi, lo_error, hi_error = (value if math.isfinite(value) else None for value in (*ends, *errors))
    return Param(name=name, value=value, lo=lo, hi=hi, lo_error=lo_error, hi_error=hi_error, status=status)


def _about_draws(problem: Problem, draws: Draws | None, block: str | None) -> tuple[str, tuple[str, ...]]:
    """Return how the intervals were made, and notes on them."""
    if draws is None:
        return "none: no bootstrap draws were requested", ()
    distinct, count = int(points(problem).max()) + 1, len(draws.values)
    notes = []
    if distinct < FEW_POINTS:
        notes.append(f"{distinct} distinct points are few to resample: the intervals are probably too narrow")
    if count < FEW_DRAWS:
        notes.append(f"{count} draws are few: the ends of the intervals are rough")
    if block is not None:
        distinct = len(np.unique(problem.groups[block]))
        if distinct < FEW_BLOCKS:
            notes.append(f"{distinct} groups of {block} are few to resample: the intervals are probably too narrow")
    what = "points" if block is None else f"groups of {block}"
    how = f"bootstrap with gamma weights of {distinct} {what}, {count} draws, seed {draws.seed}, percentile 95 %"
    how += "" if block is None else f" (of Student's t with {distinct - 1} degrees of freedom)"
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
