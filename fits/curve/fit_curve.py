"""Loss against activation rate at one budget: curves in ln r_a by least squares, seeds as blocks.

The fit without the blocks stands beside it, and so does what every other curve says of the same runs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fits.curve.crossings import crossings
from fits.curve.lack_of_fit import REJECTED, lack_of_fit, misfit, no_effect
from fits.curve.least_squares import CurveData, FittedCurve
from fits.curve.optimum import OptimumInputs, minimum, unknown_optimum
from fits.curve.reference_curves import ReferenceCurves, reference_curves
from fits.curve.resampling import Resampling, interval_of, resample_curve
from fits.curve.sensitivity import sensitivity
from fits.intervals import simultaneous_quantile, t_quantile
from fits.laws.curve_basis import Basis, Curve, Powers, Spline
from fits.result import Blocks, FitResult, LackOfFit, Optimum, Param, Sensitivity
from fits.runs.select_arms import about, one_budget, positions, seed_blocks
from fits.runs.table import Floats, RunTable
from fits.surface.bootstrap import Draws
from planners.records.errors import UsageError

__all__ = ["Curve", "curve", "fit_curve"]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fit:
    """A curve on its runs, and the curves that its interval rests on."""

    line: FittedCurve
    references: ReferenceCurves
    shape: LackOfFit | None
    optimum: Optimum


def fit_curve(
    table: RunTable,
    law: Curve,
    *,
    margin: float | None = None,
    of: str = "r_a",
    resampling: Resampling | None = None,
) -> tuple[FitResult, Draws | None]:
    """Fit `law` to the MoE arms of `table`, which holds one budget; return also the draws, where `resampling` asks.

    `margin` is in nats per token; `of` is the column along which the arms differ: r_a, top_k or granularity. A dense
    arm is another architecture and is not on the curve; where the curve crosses its loss is in `crossings`. Raises
    UsageError for a value that cannot be true, and for a table that holds the same rate at several C or N.
    """
    if margin is not None and not (math.isfinite(margin) and margin > 0):
        raise UsageError(f"margin {margin!r} must be a positive number of nats per token, such as 0.005")
    arms = table.only(table.routed())
    x, loss = positions(arms, of), arms.numbers("loss")
    one_budget(arms, x, of)
    notes = about(table, arms, of)
    if margin is None:
        notes.append("no margin was given, so there is no region of indifference")
    plain = CurveData(x=x, loss=loss, blocks=np.empty((len(x), 0)))
    reason, line = _undetermined(law, plain)
    if reason:
        return _result(law, arms, of, line, _nothing(law, reason, line, margin, of), notes), None
    if plain.rates == len(law.parameters):
        k = len(law.parameters)
        notes.append(f"{k} rates are met by any curve of {k} coefficients, so its shape is assumed, not tested")
    sample = _blocked(law, arms, plain, notes)
    best = _fit(law, sample, margin, of)
    if best.shape:
        shape = best.shape
        notes.append(f"lack of fit: F({shape.shape_dof}, {shape.error_dof}) = {shape.F:.2f}, p = {shape.p:.2g}")
    result = _result(law, arms, of, best.line, _fitted(law, best, of), notes)
    draws = resample_curve(best.line, sample, tuple(result.params), resampling) if resampling else None
    rows = sensitivity(sample)
    if resampling and draws:
        rows = (*rows, _drawn(next(row for row in rows if row.law == law.name), best.line, resampling, draws))
    result = replace(
        result,
        lack_of_fit=best.shape,
        blocks=None if sample is plain else _blocks(best, _fit(law, plain, margin, of)),
        sensitivity=rows,
        crossings=crossings(table, law, best.references, of),
    )
    return result, draws


def curve(
    result: FitResult, r_a: float | Sequence[float] | Floats, *, simultaneous: bool = False
) -> tuple[Floats, Floats | None, Floats | None]:
    """Return the fitted loss at `r_a` (or K, or granularity), shape (m,), and the ends of its 95 % band (t, mean).

    The band is pointwise, or `simultaneous`: then the whole curve over the sampled range lies within it in 95 % of
    studies. The ends are None where the fit has no covariance. Raises UsageError for a law that is no curve.
    """
    values = [param.value for param in result.params.values()]
    if result.optimum is None or set(result.domain) != {result.optimum.of} or None in values:
        raise UsageError(f"the fit of {result.law} is no curve of r_a with known coefficients; its reason says why")
    basis = basis_of(result)
    columns = basis.columns(np.log(np.atleast_1d(np.asarray(r_a, float))))
    mean = columns @ np.array(values, float)
    if result.covariance is None:
        return mean, None, None
    covariance, quantile = np.array(result.covariance), t_quantile(result.dof)
    if simultaneous:
        low, high = np.log(result.domain[result.optimum.of])
        quantile = simultaneous_quantile(basis.columns(np.linspace(low, high, 101)), covariance, result.dof)
    half = quantile * np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", columns, covariance, columns), 0))
    return mean, mean - half, mean + half


def basis_of(result: FitResult) -> Basis:
    """Return the functions whose coefficients are the parameters of a fitted curve."""
    return Spline(knots=tuple(np.log(result.knots).tolist())) if result.knots else Powers(len(result.params))


def _drawn(row: Sensitivity, line: FittedCurve, how: Resampling, draws: Draws) -> Sensitivity:
    """Return the row of this law with the interval that its draws give."""
    lo, hi = interval_of(draws, line)
    return replace(row, lo=lo, hi=hi, law=f"{row.law}, {how.kind} bootstrap of {how.count}")


def _undetermined(law: Curve, sample: CurveData) -> tuple[str | None, FittedCurve | None]:
    """Return why the runs do not determine the curve, or None, and what can be said of it without an interval."""
    least, rates = law.rates, sample.rates
    if rates < least:
        return f"{least} coefficients need at least {least} different rates, and there are {rates}; add rates", None
    line = sample.line(law.basis(sample.x))
    if line is None or line.dof < 0.5:
        n, k = len(sample.x), len(law.parameters)
        return f"{n} runs determine {k} coefficients and leave nothing to judge them by; add seeds or rates", line
    return None, line


def _blocked(law: Curve, arms: RunTable, plain: CurveData, notes: list[str]) -> CurveData:
    """Return the sample with its seeds as blocks; as it is, with a note, where they cannot be told from the curve."""
    blocks = seed_blocks(arms)
    if not blocks.shape[1]:
        return plain
    sample = replace(plain, blocks=blocks, _lines={})
    line = sample.line(law.basis(plain.x))
    if line is not None and line.dof >= 1:
        return sample
    seeds = blocks.shape[1] + 1
    notes.append(f"{seeds} seeds cannot be told from the curve (too few rates share a seed), so they are no blocks")
    return plain


def _fit(law: Curve, sample: CurveData, margin: float | None, of: str) -> _Fit:
    line = sample.line(law.basis(sample.x))
    assert line is not None  # `_undetermined` and `_blocked` saw to it
    wider = reference_curves(sample)
    setting = OptimumInputs(
        references=wider,
        measured=sample.lowest_mean,
        rejected=_rejected(law, sample, line),
        flat=no_effect(sample, line),
        margin=margin,
        of=of,
    )
    return _Fit(line=line, references=wider, shape=lack_of_fit(sample, line), optimum=minimum(line, setting))


def _rejected(law: Curve, sample: CurveData, line: FittedCurve) -> str | None:
    """Return that the curve misses the runs by more than the noise, if it does."""
    p = misfit(sample, line)
    if p is None or p >= REJECTED:
        return None
    return f"the {law.name} misses the means of the rates by more than the noise (p = {p:.2g}); see the other curves"


def _blocks(best: _Fit, plain: _Fit) -> Blocks:
    seeds = best.line.blocks.shape[1] + 1
    return Blocks(by="seed", n=seeds, sd=best.line.sd, plain_sd=plain.line.sd, plain=plain.optimum)


@dataclass(frozen=True, kw_only=True)
class _Said:
    """What is said of a fit: its status, its parameters, how the intervals were made, and the optimum."""

    status: str
    reason: str | None
    params: dict[str, Param]
    interval: str
    optimum: Optimum


def _fitted(law: Curve, fit: _Fit, of: str) -> _Said:
    line = fit.line
    half = line.t * np.sqrt(np.diag(line.covariance))
    params = {
        name: Param(name=name, value=float(value), lo=float(value - h), hi=float(value + h), status="converged")
        for name, value, h in zip(law.names(line.basis), line.coefficients, half, strict=True)
    }
    basis = fit.optimum.basis
    optimum = f"test of the minimum of the {basis} inverted, t, 95 %" if basis else "none"
    interval = f"optimum: {optimum}; coefficients: t with {line.dof:.3g} dof, 95 %"
    return _Said(status="converged", reason=None, params=params, interval=interval, optimum=fit.optimum)


def _nothing(law: Curve, reason: str, line: FittedCurve | None, margin: float | None, of: str) -> _Said:
    values: list[float | None] = [None] * len(law.parameters)
    names: Sequence[str] = law.parameters
    if line is not None:
        names, values = law.names(line.basis), [float(value) for value in line.coefficients]
    params = {
        name: Param(name=name, value=value, lo=None, hi=None, status="not_identified")
        for name, value in zip(names, values, strict=True)
    }
    unknown = unknown_optimum(reason, margin, of)
    return _Said(status="not_identified", reason=reason, params=params, interval=f"none: {reason}", optimum=unknown)


def _result(law: Curve, arms: RunTable, of: str, line: FittedCurve | None, said: _Said, notes: list[str]) -> FitResult:
    judged = line is not None and line.dof >= 0.5
    values = np.exp(positions(arms, of))
    knots = line.basis.knots if line is not None and isinstance(line.basis, Spline) else None
    return FitResult(
        law=law.name,
        formula=law.formula if of == "r_a" else law.formula.replace("r_a", of),
        source=law.source,
        data=arms.source,
        data_hash=arms.data_hash,
        n=len(arms),
        dof=round(line.dof) if line else len(arms) - len(law.parameters),
        objective=line.residual if line else None,
        objective_name="sum of squared residuals of the loss",
        status=said.status,
        reason=said.reason,
        params=said.params,
        covariance=tuple(map(tuple, line.covariance.tolist())) if line and judged else None,
        residual_sd=line.sd if line and judged else None,
        optimum=said.optimum,
        interval=said.interval,
        domain={of: (float(values.min()), float(values.max()))} if len(arms) else {},
        search=None,
        lack_of_fit=None,
        blocks=None,
        dropped=arms.dropped,
        notes=tuple(notes),
        knots=tuple(np.exp(knots).tolist()) if knots else None,
    )
