"""Loss against activation rate at one budget: a curve in ln r_a by least squares, with seeds as blocks.

The result also holds the fit without blocks, and the minimum of every other curve fitted to the same runs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fits.curve.crossings import crossings
from fits.curve.lack_of_fit import REJECTED, lack_of_fit, misfit, no_effect, no_shape_fits
from fits.curve.least_squares import CurveData, FittedCurve
from fits.curve.leave_one_out import one_sided_notes, without_each_rate
from fits.curve.optimum import OptimumInputs, minimum, unknown_optimum
from fits.curve.resampling import Resampling, interval_of, resample_curve
from fits.curve.sensitivity import sensitivity
from fits.curve.shapes import ShapeFits, shape_fits
from fits.laws.curve_basis import Curve
from fits.result import Blocks, FitResult, LackOfFit, Optimum, Param, Sensitivity
from fits.runs.select_arms import about, no_question, one_budget, positions, seed_blocks
from fits.runs.table import RunTable
from fits.status import Cause, Status, Why
from fits.surface.bootstrap import Draws
from planners.records.errors import UsageError


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fit:
    """A fitted curve with its test and its optimum."""

    curve: FittedCurve
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
    """Fit `law` to the MoE arms of `table`, which holds one budget; return also the draws if `resampling` is given.

    `margin` is in nats per token. `of` is the column along which the arms differ: r_a, top_k or granularity. Dense arms
    are another architecture, so they are not on the curve; `crossings` says where the curve crosses their loss. Raises
    UsageError for an impossible value, and for a table that holds one rate at several C or N.
    """
    if margin is not None and not (math.isfinite(margin) and margin > 0):
        raise UsageError(f"margin {margin!r} must be a positive number of nats per token, such as 0.005")
    arms = table.only(table.routed())
    x, loss = positions(arms, of), arms.numbers("loss")
    one_budget(arms, x, of)
    notes = about(table, arms, of)
    if margin is None:
        notes.append("no margin was given, so the region of indifference is unknown")
    plain = CurveData(x=x, loss=loss, blocks=np.empty((len(x), 0)))
    cause, unjudged = _undetermined(law, plain)
    cause = no_question(arms, of) or cause
    if cause:
        return _result(law, arms, of, unjudged, notes, **_not_identified(law, cause, unjudged, margin, of)), None
    if plain.rates == len(law.parameters):
        k = len(law.parameters)
        notes.append(f"any curve of {k} coefficients passes through {k} rates, so its shape is assumed, not tested")
    data = _blocked(law, arms, plain, notes)
    best = _fit(law, data, margin, of)
    if best.shape:
        shape = best.shape
        notes.append(f"lack of fit: F({shape.shape_dof}, {shape.error_dof}) = {shape.F:.2f}, p = {shape.p:.2g}")
    leave_out = bool(best.optimum.basis) and of != "N"  # for many budgets this takes most of the time
    without = without_each_rate(arms, of) if leave_out else ()
    notes += one_sided_notes(best.optimum, without)
    result = _result(law, arms, of, best.curve, notes, **_identified(law, best))
    draws = resample_curve(best.curve, data, tuple(result.params), resampling) if resampling else None
    rows = sensitivity(data)
    if resampling and draws:
        rows = (*rows, _drawn(next(row for row in rows if row.law == law.name), best.curve, resampling, draws))
    result = replace(
        result,
        lack_of_fit=best.shape,
        blocks=None if data is plain else _blocks(best, _fit(law, plain, margin, of)),
        sensitivity=rows,
        without=without,
        crossings=crossings(table, law, of),
    )
    return result, draws


def optimum_of(data: CurveData, law: Curve, *, margin: float | None = None, of: str = "r_a") -> Optimum:
    """Return the optimum of a curve fitted to `data`, as `fit_curve` finds it, without its other findings.

    The data must determine the curve with degrees of freedom to spare.
    """
    return _fit(law, data, margin, of).optimum


def _drawn(row: Sensitivity, fitted: FittedCurve, how: Resampling, draws: Draws) -> Sensitivity:
    """Return the row of this law with its bootstrap interval."""
    lo, hi = interval_of(draws, fitted)
    return replace(row, lo=lo, hi=hi, law=f"{row.law}, {how.kind} bootstrap of {how.count}")


def _undetermined(law: Curve, data: CurveData) -> tuple[Cause | None, FittedCurve | None]:
    """Return why the runs do not determine the curve, or None; and the curve if it can be drawn without an interval."""
    least, rates = law.rates, data.rates
    if rates < least:
        return Why.FEW_RATES.because(least=least, rates=rates), None
    fitted = data.fit(law.basis(data.x))
    if fitted is None or fitted.dof < 0.5:
        return Why.FEW_RUNS.because(n=len(data.x), k=len(law.parameters)), fitted
    return None, fitted


def _blocked(law: Curve, arms: RunTable, plain: CurveData, notes: list[str]) -> CurveData:
    """Return the data with seeds as blocks; unchanged, with a note, if the runs cannot separate them from the curve."""
    blocks = seed_blocks(arms)
    if not blocks.shape[1]:
        return plain
    data = CurveData(x=plain.x, loss=plain.loss, blocks=blocks)
    fitted = data.fit(law.basis(plain.x))
    if fitted is not None and fitted.dof >= 1:
        return data
    seeds = blocks.shape[1] + 1
    notes.append(f"too few rates share a seed to separate {seeds} seeds from the curve, so seeds are not blocks")
    return plain


def _fit(law: Curve, data: CurveData, margin: float | None, of: str) -> _Fit:
    fitted = data.fit(law.basis(data.x))
    assert fitted is not None  # `_undetermined` and `_blocked` have checked it
    shapes = shape_fits(data)
    given = OptimumInputs(
        shapes=shapes,
        shapeless=_shapeless(data, shapes, of),
        measured=data.lowest_mean,
        rejected=_rejected(law, data, fitted),
        flat=no_effect(data, fitted),
        margin=margin,
        of=of,
    )
    return _Fit(curve=fitted, shape=lack_of_fit(data, fitted), optimum=minimum(fitted, given))


def _rejected(law: Curve, data: CurveData, fitted: FittedCurve) -> Cause | None:
    """Return the reason why the curve is rejected, or None."""
    p = misfit(data, fitted)
    if p is None or p >= REJECTED:
        return None
    return Why.MISFIT.because(law=law.name, p=p)


def _shapeless(data: CurveData, shapes: ShapeFits | None, of: str) -> Cause | None:
    """Return the reason why no shape with one minimum describes the runs, or None."""
    p = no_shape_fits(data, shapes) if shapes else None
    if p is None:
        return None
    return Why.NO_CURVE_FITS.because(p=p, more="rates" if of == "r_a" else "values")


def _blocks(best: _Fit, plain: _Fit) -> Blocks:
    seeds = best.curve.blocks.shape[1] + 1
    return Blocks(by="seed", n=seeds, sd=best.curve.sd, plain_sd=plain.curve.sd, plain=plain.optimum)


def _identified(law: Curve, fit: _Fit) -> dict[str, Any]:
    fitted = fit.curve
    half = fitted.t * np.sqrt(np.diag(fitted.covariance))
    params = {
        name: Param(name=name, value=float(value), lo=float(value - h), hi=float(value + h), status=Status.CONVERGED)
        for name, value, h in zip(law.names(fitted.basis), fitted.coefficients, half, strict=True)
    }
    basis = fit.optimum.basis
    optimum = f"assumes {basis} of any smooth shape, average over random curves, 95 %" if basis else "none"
    interval = f"optimum: {optimum}; coefficients: t with {fitted.dof:.3g} dof, 95 %"
    return {"status": Status.CONVERGED, "params": params, "interval": interval, "optimum": fit.optimum}


def _not_identified(
    law: Curve, cause: Cause, fitted: FittedCurve | None, margin: float | None, of: str
) -> dict[str, Any]:
    values: list[float | None] = [None] * len(law.parameters)
    names: Sequence[str] = law.parameters
    if fitted is not None:
        names, values = law.names(fitted.basis), [float(value) for value in fitted.coefficients]
    params = {
        name: Param(name=name, value=value, status=Status.NOT_IDENTIFIED)
        for name, value in zip(names, values, strict=True)
    }
    optimum, interval = unknown_optimum(cause, margin, of), f"none: {cause['reason']}"
    return {"status": Status.NOT_IDENTIFIED, **cause, "params": params, "interval": interval, "optimum": optimum}


def _result(
    law: Curve, arms: RunTable, of: str, fitted: FittedCurve | None, notes: list[str], **found: Any
) -> FitResult:
    judged = fitted is not None and fitted.dof >= 0.5
    values = np.exp(positions(arms, of))
    return FitResult(
        law=law.name,
        formula=law.formula if of == "r_a" else law.formula.replace("r_a", of),
        source=law.source,
        data=arms.source,
        data_hash=arms.data_hash,
        n=len(arms),
        dof=round(fitted.dof) if fitted else len(arms) - len(law.parameters),
        objective=fitted.residual if fitted else None,
        objective_name="sum of squared residuals of the loss",
        covariance=tuple(map(tuple, fitted.covariance.tolist())) if fitted and judged else None,
        residual_sd=fitted.sd if fitted and judged else None,
        domain={of: (float(values.min()), float(values.max()))} if len(arms) else {},
        dropped=arms.dropped,
        notes=tuple(notes),
        knots=tuple(np.exp(fitted.basis.knots).tolist()) or None if fitted else None,
        **found,
    )
