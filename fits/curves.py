"""Loss against activation rate at one budget: polynomials in ln r_a by ordinary least squares, seeds as blocks.

The arms of one seed share initial state and data order, so a seed moves all of them together. Each seed therefore
has an intercept of its own (they sum to zero, so the mean curve is that of the average seed), and the fit without
them stands beside it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fits.adequacy import REJECTED, lack_of_fit
from fits.intervals import t_quantile
from fits.optimum import Parabola, minimum, unknown_optimum
from fits.result import Blocks, FitResult, Optimum, Param
from fits.table import BUDGET_TOLERANCE, Floats, RunTable
from planners.errors import UsageError

DRIFT = 0.02
"""Relative spread of N or C between arms above which a note says that they are not equal."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A law of r_a alone: L = sum_k coefficient_k (ln r_a)^k."""

    name: str
    """Name of the law."""
    formula: str
    """The law as text."""
    source: str
    """Where the form comes from."""
    parameters: tuple[str, ...]
    """Names of the coefficients, of powers 0, 1, 2 ..."""


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A least-squares solution whose first columns are the powers of x."""

    coefficients: Floats  # (k,) of the powers
    blocks: Floats  # (n, b) further columns of the design
    covariance: Floats  # (k, k) of the powers; NaN where dof is 0
    residual: float  # sum of squared residuals
    dof: int

    @property
    def sd(self) -> float:
        return math.sqrt(self.residual / self.dof)


def fit_curve(table: RunTable, law: Curve, *, margin: float | None = None) -> FitResult:
    """Fit `law` to the MoE arms of `table`, which holds one budget. `margin` is in nats per token.

    The dense arm is another architecture and is not on the curve; a note counts what is left out. Raises UsageError
    for a value that cannot be true, and for a table that holds the same rate at several C or N.
    """
    if margin is not None and not (math.isfinite(margin) and margin > 0):
        raise UsageError(f"margin {margin!r} must be a positive number of nats per token, such as 0.005")
    arms = table.only(_routed(table))
    x, loss = np.log(arms.rates()), arms.numbers("loss")
    _one_budget(arms, x)
    notes = _about_arms(table, arms)
    if margin is None:
        notes.append("no margin was given, so there is no region of indifference")
    rates, k = np.unique(np.round(x, 6)).size, len(law.parameters)
    if rates < k:
        return _unfitted(
            law,
            arms,
            f"{k} coefficients need at least {k} different rates, and there are {rates}; add rates",
            margin,
            notes,
        )
    plain = _least_squares(_powers(x, k), loss, k)
    if plain.dof == 0:
        reason = f"{len(x)} runs determine {k} coefficients and leave nothing to judge them by; add seeds or rates"
        return _unfitted(law, arms, reason, margin, notes, plain)
    if rates == k:
        notes.append(f"{k} rates are met by any curve of {k} coefficients, so its shape is assumed, not tested")
    blocked, seeds = _with_blocks(arms, x, loss, k, notes)
    best = blocked or plain
    shape = lack_of_fit(x, loss, best.blocks, best.residual, best.dof)
    if shape:
        notes.append(f"lack of fit: F({shape.shape_dof}, {shape.error_dof}) = {shape.F:.2f}, p = {shape.p:.2g}")
    blocks = None
    if blocked:
        blocks = Blocks(by="seed", n=seeds, sd=blocked.sd, plain_sd=plain.sd, plain=_optimum(plain, x, loss, margin))
    optimum = _optimum(best, x, loss, margin)
    if shape and shape.p < REJECTED:
        reason = f"the curve misses the means of the rates by more than the noise (p = {shape.p:.2g}); add rates"
        optimum = unknown_optimum(reason, margin)
    return replace(_fitted(law, arms, best, optimum, notes), blocks=blocks, lack_of_fit=shape)


def curve(result: FitResult, r_a: float | Sequence[float] | Floats) -> tuple[Floats, Floats | None, Floats | None]:
    """Return the fitted loss at `r_a`, shape (m,), and the ends of its pointwise 95 % interval (t, for the mean).

    The ends are None where the fit has no covariance. Raises UsageError for a law that is no curve of r_a.
    """
    values = [param.value for param in result.params.values()]
    if set(result.domain) != {"r_a"} or None in values:
        raise UsageError(f"the fit of {result.law} is no curve of r_a with known coefficients; its reason says why")
    powers = _powers(np.log(np.atleast_1d(np.asarray(r_a, float))), len(values))
    mean = powers @ np.array(values, float)
    if result.covariance is None:
        return mean, None, None
    variance = np.einsum("ij,jk,ik->i", powers, np.array(result.covariance), powers)
    half = t_quantile(result.dof) * np.sqrt(np.maximum(variance, 0))
    return mean, mean - half, mean + half


def _powers(x: Floats, k: int) -> Floats:
    return np.vander(x, k, increasing=True)  # (n, k)


def _least_squares(design: Floats, loss: Floats, k: int) -> _Line:
    """Solve by QR after scaling the columns; `design` has full rank, its first `k` columns are the powers."""
    scale = np.linalg.norm(design, axis=0)
    q, r = np.linalg.qr(design / scale)
    inverse = np.linalg.inv(r) / scale[:, None]
    solution = inverse @ (q.T @ loss)
    residual = float(np.sum((loss - design @ solution) ** 2))
    dof = len(loss) - design.shape[1]
    variance = residual / dof if dof else math.nan
    return _Line(
        coefficients=solution[:k],
        blocks=design[:, k:],
        covariance=(variance * inverse @ inverse.T)[:k, :k],
        residual=residual,
        dof=dof,
    )


def _with_blocks(arms: RunTable, x: Floats, loss: Floats, k: int, notes: list[str]) -> tuple[_Line | None, int]:
    """Return the fit with an intercept for each seed and the number of seeds; None, with a note, if it cannot be."""
    if not arms.has("seed"):
        return None, 0
    if arms.frame["seed"].isna().any():
        row = arms.frame.index[arms.frame["seed"].isna()][0]
        raise UsageError(f"row {row} of {arms.source} has no seed while others have; fill it in or remove the column")
    codes = np.unique(arms.frame["seed"].astype(str).to_numpy(str), return_inverse=True)[1]
    seeds = int(codes.max()) + 1
    if seeds == 1:
        return None, 1
    member = (codes[:, None] == np.arange(seeds)).astype(float)  # (n, seeds)
    design = np.hstack([_powers(x, k), member[:, :-1] - member[:, -1:]])  # the intercepts sum to zero
    if len(x) <= design.shape[1] or np.linalg.matrix_rank(design / np.linalg.norm(design, axis=0)) < design.shape[1]:
        notes.append(f"{seeds} seeds cannot be told from the curve (too few rates share a seed), so they are no blocks")
        return None, seeds
    return _least_squares(design, loss, k), seeds


def _optimum(line: _Line, x: Floats, loss: Floats, margin: float | None) -> Optimum:
    low, high = float(x.min()), float(x.max())
    _, slope, curvature = map(float, line.coefficients)
    (v_bb, v_bc), (_, v_cc) = line.covariance[1:, 1:].tolist()
    rounding = 1e-13 * float(np.abs(loss).max()) / (high - low) ** 2
    parabola = Parabola(
        slope=slope,
        curvature=curvature,
        covariance=((v_bb, v_bc), (v_bc, v_cc)),
        dof=line.dof,
        low=low,
        high=high,
        flat=rounding,
        measured=_lowest(x, loss),
    )
    return minimum(parabola, margin)


def _lowest(x: Floats, loss: Floats) -> float:
    """Return the x with the lowest mean loss."""
    rates, codes = np.unique(np.round(x, 6), return_inverse=True)
    means = np.bincount(codes, weights=loss) / np.bincount(codes)
    return float(rates[np.argmin(means)])


def _routed(table: RunTable) -> NDArray[np.bool_]:
    """Return which runs are MoE, shape (n,): by `n_experts` where there is that column, else by r_a < 1."""
    return table.numbers("n_experts", zero=True) > 0 if table.has("n_experts") else table.rates() < 1 - 1e-9


def _one_budget(arms: RunTable, x: Floats) -> None:
    """Refuse the same rate at several C, N or K: one curve through several budgets, sizes or kinds means nothing."""
    by_budget, one = "fit them one by one with table.by_budget()", "fit the rows of each on their own"
    for column, remedy in (("C", by_budget), ("N", one), ("top_k", one)):
        values = arms.numbers(column) if arms.has(column) else np.ones_like(x)
        for rate in np.unique(np.round(x, 2)):
            same = values[np.round(x, 2) == rate]
            if same.max() > same.min() * (1 + BUDGET_TOLERANCE):
                spread = f"{column} {same.min():.3g} to {same.max():.3g}"
                raise UsageError(f"{arms.source} holds r_a {math.exp(rate):.3g} at several {spread}; {remedy}")


def _about_arms(table: RunTable, arms: RunTable) -> list[str]:
    notes = []
    dense = len(table) - len(arms)
    if dense:
        runs = "1 dense run" if dense == 1 else f"{dense} dense runs"
        notes.append(f"{runs} left out: a dense model is another architecture and is not on the curve")
    for column in ("N", "C"):
        if len(arms) and arms.has(column):
            values = arms.numbers(column)
            drift = float(values.max() / values.min() - 1)
            if drift > DRIFT:
                notes.append(f"{column} differs by {drift:.1%} between arms, which the curve cannot tell from r_a")
    return notes


def _fitted(law: Curve, arms: RunTable, line: _Line, optimum: Optimum, notes: list[str]) -> FitResult:
    half = t_quantile(line.dof) * np.sqrt(np.diag(line.covariance))
    params = {
        name: Param(name=name, value=float(value), lo=float(value - h), hi=float(value + h), status="converged")
        for name, value, h in zip(law.parameters, line.coefficients, half, strict=True)
    }
    interval = f"optimum: Fieller, t with {line.dof} dof, 95 %; coefficients: t with {line.dof} dof, 95 %"
    return _result(law, arms, line, "converged", None, params, interval, optimum, notes)


def _unfitted(
    law: Curve, arms: RunTable, reason: str, margin: float | None, notes: list[str], line: _Line | None = None
) -> FitResult:
    """Return the result of runs that leave nothing to judge by; the coefficients are given where they exist."""
    values: Sequence[float | None] = line.coefficients.tolist() if line else [None] * len(law.parameters)
    params = {
        name: Param(name=name, value=value, lo=None, hi=None, status="not_identified")
        for name, value in zip(law.parameters, values, strict=True)
    }
    optimum = unknown_optimum(reason, margin)
    return _result(law, arms, line, "not_identified", reason, params, f"none: {reason}", optimum, notes)


def _result(
    law: Curve,
    arms: RunTable,
    line: _Line | None,
    status: str,
    reason: str | None,
    params: dict[str, Param],
    interval: str,
    optimum: Optimum,
    notes: list[str],
) -> FitResult:
    judged = line is not None and line.dof > 0
    rates = arms.rates()
    return FitResult(
        law=law.name,
        formula=law.formula,
        source=law.source,
        data=arms.source,
        data_hash=arms.data_hash,
        n=len(arms),
        dof=line.dof if line else len(arms) - len(law.parameters),
        objective=line.residual if line else None,
        objective_name="sum of squared residuals of the loss",
        status=status,
        reason=reason,
        params=params,
        covariance=tuple(map(tuple, line.covariance.tolist())) if line and judged else None,
        residual_sd=line.sd if line and judged else None,
        optimum=optimum,
        interval=interval,
        domain={"r_a": (float(rates.min()), float(rates.max()))} if len(arms) else {},
        search=None,
        lack_of_fit=None,
        blocks=None,
        dropped=arms.dropped,
        notes=tuple(notes),
    )
