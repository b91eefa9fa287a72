"""Comparison of laws on the same runs: by AICc, and by how well each law predicts runs that were held out of its fit.

Laws are compared by least squares, whatever objective their own fits use: AICc needs a likelihood, and prediction
intervals need a variance. The in-sample fit says little, because a law with more parameters always fits better. Laws
are used beyond the runs, so the prediction of the largest budget is reported separately.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fits.curve.least_squares import fit_basis
from fits.intervals import t_quantile
from fits.laws import LAWS
from fits.laws.curve_basis import Curve
from fits.laws.law import Law
from fits.runs.same_budget import groups_of
from fits.runs.series import SeriesKey, series
from fits.runs.table import Floats, RunTable
from fits.surface.fitting_problem import Problem, held_at_one_value
from fits.surface.search import solve
from planners.records.errors import UsageError
from planners.records.notebook_repr import NotebookRepr
from planners.records.registry import look_up

FEWEST_GROUPS = 3
"""Fewest groups for holding one out."""
MOST_GROUPS = 10
"""Groups into which scattered budgets are merged."""


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """How well a law predicts a group of runs that was held out of its fit."""

    group: str
    """Which runs were held out."""
    n: int
    """Number of predicted values: runs, or 1 for a curve, which predicts the mean loss at a rate."""
    error: float | None
    """Root mean square of predicted less observed ln L; null if the other runs do not determine the law."""
    bias: float | None
    """Mean of predicted less observed ln L."""
    covered: float | None
    """Share of the values inside their 95 % prediction interval."""


@dataclass(frozen=True, kw_only=True)
class LawScore:
    """One law in a comparison."""

    law: str
    """Name."""
    n: int
    """Runs that it was fitted to."""
    parameters: int
    """Coefficients that were fitted."""
    residual_sd: float | None
    """Residual SD of ln L; null if the runs do not determine the law."""
    aicc: float | None
    """AICc of the loss, with the variance counted as a parameter; null for too few runs."""
    delta: float | None
    """AICc less the lowest AICc of the compared laws."""
    weight: float | None
    """Akaike weight of the law among the compared laws."""
    largest: HeldOut | None
    """Prediction of the largest group from the others, an extrapolation; null for too few groups."""
    error: float | None
    """Root mean square error of ln L over all groups, each predicted from the others."""
    covered: float | None
    """Share of all held-out values inside their 95 % prediction interval."""
    groups: tuple[HeldOut, ...]
    """Each group predicted from the others, smallest first."""

    def __str__(self) -> str:
        text = f"{self.law:<13} {self.parameters} parameters, n = {self.n}"
        if self.delta is not None and self.weight is not None:
            text += f": AICc +{self.delta:.1f} (weight {self.weight:.2g})"
        if self.error is not None and self.covered is not None:
            text += f"; held-out error {self.error:.2g}, {self.covered:.0%} inside 95 % intervals"
        if self.largest and self.largest.error is not None:
            text += f"; at {self.largest.group} error {self.largest.error:.2g}, {self.largest.covered:.0%} inside"
        return text


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison(NotebookRepr):
    """Laws fitted to the same runs. `str()` is what the command prints: a line for each law, the lowest AICc first."""

    by: str
    """Column whose groups are held out in turn: C, or r_a for curves."""
    data: str
    """What the runs were read from."""
    scores: tuple[LawScore, ...]
    """One score for each law, the lowest AICc first."""
    notes: tuple[str, ...]
    """Further remarks, one sentence each."""
    series: SeriesKey | None = None
    """Which series of the table; null for all of its runs."""

    @property
    def heading(self) -> str:
        """Name of the runs for a reader: the series, or the file they were read from."""
        return (self.series and self.series.heading) or self.data

    def __repr__(self) -> str:
        return f"<Comparison of {', '.join(score.law for score in self.scores)} on {self.heading}>"

    def __str__(self) -> str:
        held_out = f"each {self.by} held out and predicted from the others, errors of ln L"
        lines = [f"[[Comparison]] {self.heading}: {held_out}", *(f"    {score}" for score in self.scores)]
        return "\n".join([*lines, *(f"[[Note]] {note}" for note in self.notes)])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fitted:
    """A law fitted to some runs: the terms of AICc, and a prediction with its standard error."""

    parameters: int
    residuals: Floats
    """Residuals of ln L, shape (n,)."""
    log_likelihood: float
    """Log-likelihood of L at the variance that maximises it."""
    dof: float
    predict: Callable[[RunTable], tuple[Floats, Floats]]
    """(other runs) -> predicted ln L and its prediction SD, both (m,)."""


def comparisons(table: RunTable, laws: list[str]) -> tuple[Comparison, ...]:
    """Compare the laws that describe the same runs: curves on each series, and laws of the loss on all runs."""
    curves = [law for law in laws if isinstance(LAWS[law], Curve)]
    surfaces = [law for law in laws if isinstance(form := LAWS[law], Law) and form.response == "loss"]
    found = [compare(part, curves, key) for key, part in series(table).items()] if len(curves) > 1 else []
    return (*found, *([compare(table, surfaces)] if len(surfaces) > 1 else []))


def compare(table: RunTable, laws: list[str], key: SeriesKey | None = None) -> Comparison:
    """Compare laws by name on `table`: either curves of r_a on one series (`key`), or laws of the loss.

    Raises UsageError for an unknown law, for a mixture of the two kinds, and for a missing column.
    """
    kinds = {isinstance(look_up(LAWS, law, "law"), Curve) for law in laws}
    if len(kinds) > 1:
        raise UsageError(f"{', '.join(laws)} are both curves of r_a and laws of the loss; compare one kind at a time")
    curves = kinds == {True}
    if curves:
        table = table.only(table.routed())
    elif any("r_a" in form.columns for law in laws if isinstance(form := LAWS[law], Law)):
        table = table.only(table.rates() < 1 - 1e-9)  # a dense model is not a rate of 1
    groups = _rates(table) if curves else _budgets(table)
    scores = [_score(law, table, groups, curves) for law in laws]
    known = [score.aicc for score in scores if score.aicc is not None]
    if known:
        scores = [_weighted(score, known) for score in scores]
    notes = [] if len(groups) >= FEWEST_GROUPS else [f"{len(groups)} groups are too few to hold one out"]
    if any(score.aicc is None for score in scores):
        notes.append("a law without AICc has too many parameters for these runs")
    order = sorted(scores, key=lambda score: math.inf if score.delta is None else score.delta)
    return Comparison(
        by=table.over if curves else "C", data=table.source, scores=tuple(order), notes=tuple(notes), series=key
    )


def _rates(table: RunTable) -> dict[str, NDArray[np.bool_]]:
    """Return the runs of each rate, shape (n,), smallest first."""
    rates = np.round(np.log(table.places()), 6)
    return {f"{table.over} {math.exp(rate):.3g}": rates == rate for rate in np.unique(rates)}


def _budgets(table: RunTable) -> dict[str, NDArray[np.bool_]]:
    """Return the runs of each budget, shape (n,), smallest first; scattered budgets are cut into tenths.

    Without a column C, it is 6 N D.
    """
    C = table.numbers("C") if table.has("C") else 6 * table.numbers("N") * table.numbers("D")
    codes = groups_of(C)
    if codes.max() + 1 > 2 * MOST_GROUPS or codes.max() + 1 < FEWEST_GROUPS:
        codes[np.argsort(C, kind="stable")] = np.arange(len(C)) * MOST_GROUPS // len(C)
    return {f"C {np.median(C[codes == code]):.3g}": codes == code for code in np.unique(codes)}


def _score(law: str, table: RunTable, groups: Mapping[str, NDArray[np.bool_]], curves: bool) -> LawScore:
    fit = _fit_curve if curves else _fit_surface
    whole = fit(law, table)
    found: tuple[HeldOut, ...] = ()
    if len(groups) >= FEWEST_GROUPS:
        found = tuple(
            _held_out(name, fit(law, table.only(~out)), table.only(out), curves) for name, out in groups.items()
        )
    known_errors = [group for group in found if group.error is not None]
    n = sum(group.n for group in known_errors)
    return LawScore(
        law=law,
        n=len(table),
        parameters=whole.parameters if whole else len(LAWS[law].parameters),
        residual_sd=float(np.sqrt(np.sum(whole.residuals**2) / whole.dof)) if whole and whole.dof > 0 else None,
        aicc=_aicc(whole, len(table)) if whole else None,
        delta=None,
        weight=None,
        largest=found[-1] if found else None,
        error=math.sqrt(sum(group.n * (group.error or 0.0) ** 2 for group in known_errors) / n) if n else None,
        covered=sum(group.n * (group.covered or 0.0) for group in known_errors) / n if n else None,
        groups=found,
    )


def _aicc(whole: _Fitted, n: int) -> float | None:
    k = whole.parameters + 1
    return None if n - k - 1 <= 0 else -2 * whole.log_likelihood + 2 * k + 2 * k * (k + 1) / (n - k - 1)


def _weighted(score: LawScore, known: list[float]) -> LawScore:
    if score.aicc is None:
        return score
    total = sum(math.exp((min(known) - aicc) / 2) for aicc in known)
    delta = score.aicc - min(known)
    return replace(score, delta=delta, weight=math.exp(-delta / 2) / total)


def _held_out(name: str, fitted: _Fitted | None, out: RunTable, curves: bool) -> HeldOut:
    loss = np.log(out.numbers("loss"))
    n = 1 if curves else len(loss)
    if fitted is None or fitted.dof <= 0:
        return HeldOut(group=name, n=n, error=None, bias=None, covered=None)
    mean, sd = fitted.predict(out)
    misses = (mean - loss).mean(keepdims=True) if curves else mean - loss
    inside = np.abs(misses) <= t_quantile(fitted.dof) * sd[:n]
    return HeldOut(
        group=name,
        n=n,
        error=float(np.sqrt(np.mean(misses**2))),
        bias=float(misses.mean()),
        covered=float(inside.mean()),
    )


def _fit_surface(name: str, table: RunTable) -> _Fitted | None:
    law = LAWS[name]
    assert isinstance(law, Law)
    columns = law.read(table)
    fixed = held_at_one_value(law, columns)
    problem = Problem(law=law, columns=columns, loss=table.numbers("loss"), delta=math.inf, fixed=fixed)
    p, n = len(problem.free), len(table)
    if n <= p:
        return None
    found = solve(problem)
    residuals, slopes = problem.residuals(found.theta), problem.jacobian(found.theta)
    free = found.acting & ~found.at_bound & ~found.fixed
    inverse = np.linalg.pinv(slopes[:, free].T @ slopes[:, free])
    variance = float(residuals @ residuals) / (n - p)

    def predict(other: RunTable) -> tuple[Floats, Floats]:
        """Return the predicted ln L of other runs and its standard error, each of shape (m,)."""
        logs = {column: np.log(values) for column, values in law.read(other).items()}
        lever = law.jacobian(found.theta, logs)[:, free]
        spread = 1 + np.einsum("ij,jk,ik->i", lever, inverse, lever)
        return law.log_loss(found.theta, logs), np.sqrt(variance * spread)

    likelihood = _normal_likelihood(residuals) - float(
        np.log(problem.loss).sum()
    )  # density of L, not of ln L: curves are fitted to L
    return _Fitted(parameters=p, residuals=residuals, log_likelihood=likelihood, dof=n - p, predict=predict)


def _fit_curve(name: str, table: RunTable) -> _Fitted | None:
    law = LAWS[name]
    assert isinstance(law, Curve)
    x, loss = np.log(table.places()), table.numbers("loss")
    if np.unique(np.round(x, 6)).size < law.rates:
        return None
    line = fit_basis(law.basis(x), x, loss, np.empty((len(x), 0)))
    if line is None or line.dof < 1:
        return None
    fitted = line.height(x)

    def predict(other: RunTable) -> tuple[Floats, Floats]:
        """Return the predicted ln L of other runs and its standard error, each of shape (m,)."""
        height, error = line.at(np.log(other.places()))
        return np.log(height), np.sqrt(error**2 + line.variance / len(other)) / height  # SD of the mean of these runs

    return _Fitted(
        parameters=round(len(x) - line.dof),
        residuals=np.log(fitted) - np.log(loss),
        log_likelihood=_normal_likelihood(fitted - loss),
        dof=line.dof,
        predict=predict,
    )


def _normal_likelihood(residuals: Floats) -> float:
    n = len(residuals)
    return -n / 2 * (math.log(2 * math.pi * max(float(residuals @ residuals) / n, 1e-300)) + 1)
