"""What a fitted law predicts at a target, with prediction intervals and the parts of their width.

A 95 % interval has three parts. `parameters`: how far the bootstrap draws move, widened by Student's t for few points.
`form`: how far the other laws of the same columns that fit nearly as well predict from it; the interval is that of the
draws of all of them, each with its Akaike weight. `noise`: the residual scatter of a single run, for a loss. See
`docs/extrapolation.md` for what they cover.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fits.intervals import percentile, t_quantile
from fits.laws import LAWS
from fits.laws.law import Law
from fits.predict.dense import dense_loss
from fits.predict.minimise import lowest
from fits.predict.target import SAME, Target, checked_target
from fits.predict.text import prediction_text
from fits.result import FitResult
from fits.runs.table import Floats
from fits.surface.fitted_law import CLOSE, FittedLaw
from fits.surface.fitting_problem import held_at_one_value
from planners.records.errors import UsageError

INSIDE = 1.05
"""Factor outside the runs up to which a target counts as inside."""
WIDE = 1e4
"""Factor beyond the sizes of the runs within which the compute-optimal size is searched."""
SPARSEST = 2e-3
"""Lowest activation rate at which an optimum is searched."""


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """One predicted number."""

    of: str
    """loss, N, D, D_per_N (compute-optimal where the target leaves them open), r_a (the best) or dense_minus_moe."""
    value: float | None = None
    """Prediction; null where `reason` says why there is none."""
    lo: float | None = None
    """Lower end of the 95 % prediction interval; null without bootstrap draws."""
    hi: float | None = None
    """Upper end of the interval."""
    parameters: tuple[float, float] | None = None
    """How far the parameters alone move it down and up (95 %)."""
    form: tuple[float, float] | None = None
    """How far the other forms that fit put it down and up; null where no other form was fitted."""
    noise: float | None = None
    """Half the 95 % interval of the noise of one run; null for quantities without noise."""
    reason: str | None = None
    """Why there is no value, or what the value rests on."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What one law predicts at one target. `str()` of it is what the command prints."""

    law: str
    """Name of the law."""
    given: dict[str, float]
    """The target as it was named."""
    at: dict[str, float]
    """The target with the columns that follow from it, and with optimal values for those that it leaves open."""
    optimal: tuple[str, ...] = ()
    """Columns of `at` that were chosen for the lowest loss."""
    values: tuple[Predicted, ...]
    """The predicted numbers."""
    beyond: dict[str, float] = field(default_factory=dict)
    """Factor by which C, N, D and r_a lie outside the runs; 1 for inside."""
    forms: tuple[str, ...] = ()
    """Other laws that fit the runs nearly as well; their spread is the form error."""
    notes: tuple[str, ...] = ()
    """Conventions and warnings, one sentence each."""
    unit: str = "nats"
    """Unit of the loss."""
    asked: bool = True
    """False for the line on the largest C of the table, which is printed unasked."""

    def of(self, name: str) -> Predicted | None:
        """Return the predicted number called `name`; None if it is not among them."""
        return next((one for one in self.values if one.of == name), None)

    @property
    def loss(self) -> Predicted | None:
        """The predicted loss, nats per token."""
        return self.of("loss")

    @property
    def extrapolation(self) -> str:
        """How far the target lies beyond the runs, in words; empty inside them."""
        far = [f"{_fold(factor)} in {name}" for name, factor in self.beyond.items() if factor > INSIDE]
        return f"{', '.join(far)} beyond the runs" if far else ""

    def __str__(self) -> str:
        return prediction_text(self)


def _fold(factor: float) -> str:
    return f"{factor:.2g}-fold" if factor < 100 else f"{float(f'{factor:.2g}'):g}-fold"


def predict(result: FitResult, given: Mapping[str, float], *, asked: bool = True) -> Prediction:
    """Return what the law of `result` predicts at the target `given`. `FitResult.predict` describes it."""
    law = LAWS[result.law]
    if not isinstance(law, Law):
        raise UsageError(
            f"{law.name} is a curve of one series: fit.loss(...) gives its losses; to predict elsewhere, fit a law of"
            " several columns, such as activation or chinchilla"
        )
    if result.behind is None:
        why = result.reason or "a fit that was read from a file holds no runs; fit the runs again"
        raise UsageError(f"{result.law} gives no prediction: {why}")
    return predict_from(result.behind, checked_target(given, law.columns), asked=asked)


def predict_from(fitted: FittedLaw, given: dict[str, float], *, asked: bool = True) -> Prediction:
    """Return what a fitted law predicts at the target `given`. Raises UsageError where its columns do not follow."""
    target = Target(table=fitted.table)
    _check_size(fitted, target, given)
    close = fitted.close
    found = [_evaluated(each, target, given, each.theta[None]) for each in (fitted, *close)]
    drawn = [_evaluated(each, target, given, each.thetas) for each in (fitted, *close) if len(each.thetas)]
    own = found[0]
    values = [_predicted(name, fitted, found, drawn) for name in own.quantities]
    at = {name: float(value[0]) for name, value in own.at.items() if np.isfinite(value[0])}
    return Prediction(
        law=fitted.law.name,
        given=given,
        at={name: at[name] for name in at if name in ("C", "N", "N_a", "D", "r_a", *fitted.law.columns, *given)},
        optimal=own.open,
        values=tuple(values),
        beyond=target.beyond(at),
        forms=tuple(each.law.name for each in close),
        notes=tuple(_notes(fitted, target, given)),
        unit=fitted.table.unit,
        asked=asked,
    )


def _check_size(fitted: FittedLaw, target: Target, given: Mapping[str, float]) -> None:
    """Raise UsageError for a target of another N than that of all runs, which the fit then holds for."""
    N = target.completed(given).get("N")
    one = target.one_value("N") if held_at_one_value(fitted.law, fitted.problem.columns) else None
    if N is not None and one is not None and abs(float(N) / one - 1) > SAME:
        raise UsageError(
            f"all runs have N = {one:.3g}, and {fitted.law.name} says nothing of N = {float(N):.3g}; add sizes"
        )


def _notes(fitted: FittedLaw, target: Target, given: Mapping[str, float]) -> Iterator[str]:
    if target.factor != 6.0:
        yield f"C = {target.factor:.3g} N_a D, the median of the runs"
    if not fitted.forms:
        yield f"no other form than {fitted.law.name} was fitted to these columns, so the interval has no form error"
    best = min((fitted, *fitted.forms), key=lambda each: each.aicc)
    if best is not fitted and fitted.aicc - best.aicc > CLOSE:
        yield f"{best.law.name} fits these runs better (AICc {fitted.aicc - best.aicc:.0f} lower): prefer it"


@dataclass(frozen=True, kw_only=True, eq=False)
class _Evaluated:
    """A law at a target, for B parameter vectors."""

    at: dict[str, Floats]
    """All columns, each (B,)."""
    open: tuple[str, ...]
    """Columns that were chosen for the lowest loss."""
    quantities: dict[str, Floats]
    """Predicted numbers, each (B,); NaN where the lowest loss lies at an end of the search."""


def _evaluated(fitted: FittedLaw, target: Target, given: Mapping[str, float], thetas: Floats) -> _Evaluated:
    law, B = fitted.law, len(thetas)
    chosen, box = _open(fitted, target, given)
    shared = {
        name: value
        for name in law.columns
        if (value := target.one_value(name)) is not None and name not in ("N", "D", "C", "r_a", "N_a", "U")
    }

    def columns(coordinates: Floats) -> dict[str, Floats]:
        """Return the columns at coordinates (B, m, d), each (B, m)."""
        free = {name: np.exp(coordinates[..., j]) for j, name in enumerate(chosen)}
        known = target.completed({**shared, **given, **free})
        missing = [name for name in law.columns if name not in known]
        if missing:
            raise UsageError(_missing(law, missing, given))
        return {name: np.broadcast_to(value, coordinates.shape[:2]) for name, value in known.items()}

    def log_loss(coordinates: Floats) -> Floats:
        known = columns(coordinates)
        return fitted.log_loss(thetas, {name: np.log(known[name]) for name in law.columns})

    if chosen:
        where, inside = lowest(log_loss, box, B)
    else:
        where, inside = np.zeros((B, 0)), np.ones(B, bool)
    coordinates = where[:, None]
    at = {name: value[:, 0] for name, value in columns(coordinates).items()}
    found = {law.response if law.response != "N_opt" else "N": np.exp(log_loss(coordinates))[:, 0]}
    if "r_a" in chosen:
        found["r_a"] = at["r_a"]
    if "N" in chosen or law.response == "N_opt":
        N = found["N"] if law.response == "N_opt" else at["N"]
        D = given["C"] / (target.factor * N * at.get("r_a", np.ones(1)))
        found |= {"N": N, "D": D, "D_per_N": D / N}
        at |= {"N": N, "D": D}
    if "r_a" in chosen and "N" not in chosen:
        size, compute = float(at["N"].flat[0]), float(at["C"].flat[0])
        dense = dense_loss(fitted, thetas, size, compute, drawn=thetas is fitted.thetas)
        if dense is not None:
            found["dense_minus_moe"] = dense - found["loss"]
    return _Evaluated(
        at=at, open=chosen, quantities={name: np.where(inside, value, np.nan) for name, value in found.items()}
    )


def _missing(law: Law, missing: list[str], given: Mapping[str, float]) -> str:
    named = ",".join(f"{name}={value:g}" for name, value in given.items())
    more = ", ".join(f"{name}=…" for name in missing)
    return f"{law.name} predicts from {', '.join(law.columns)}, which {named} does not fix; add {more}"


def _open(
    fitted: FittedLaw, target: Target, given: Mapping[str, float]
) -> tuple[tuple[str, ...], list[tuple[float, float]]]:
    """Return the columns to be chosen for the lowest loss, N first, and the box of their logarithms."""
    law, known = fitted.law, target.completed(given)
    chosen, box = [], []
    if law.response == "N_opt":
        if "C" not in given:
            raise UsageError(_missing(law, ["C"], given))
        return (), []
    rates = "r_a" in law.columns and "r_a" not in known and "N_a" not in known
    if "C" in given and not {"N", "N_a", "D"} & set(given):
        if not {"N", "N_a"} & set(law.columns) or not ({"D", "C"} & set(law.columns)):
            raise UsageError(f"{law.name} has no term of data, so it gives no compute-optimal size; add N=…")
        if (one := target.one_value("N")) is not None:
            raise UsageError(
                f"all runs have N = {one:.3g}, so the compute-optimal N is not determined; add N={one:.3g}"
            )
        if "N" not in target.ranges:
            raise UsageError("the runs have no column N, so no compute-optimal N is searched; add N=… to the target")
        low, high = target.ranges["N"]
        wide = WIDE * target.beyond({"C": given["C"]}).get("C", 1.0)
        chosen.append("N")
        box.append((math.log(low / wide), math.log(high * wide)))
    if rates and ("C" in given or "C" in known):
        chosen.append("r_a")
        box.append((math.log(SPARSEST), 0.0))
    return tuple(chosen), box


def _predicted(name: str, fitted: FittedLaw, found: list[_Evaluated], drawn: list[_Evaluated]) -> Predicted:
    """Return one number with its interval. Positive numbers are compared by logarithms, differences as they are."""
    scale = AS_IT_IS if name == "dense_minus_moe" else LOGARITHM
    value = float(found[0].quantities[name][0])
    if not math.isfinite(value):
        return Predicted(of=name, reason="the lowest loss lies at an end of what was searched, so there is no optimum")
    x = scale.forward(value)
    others = [scale.forward(float(each.quantities[name][0])) - x for each in found[1:] if name in each.quantities]
    others = [other for other in others if math.isfinite(other)]
    form = (max(0.0, *(-other for other in others)), max(0.0, *others)) if others else None
    noise = fitted.noise if name == "loss" and fitted.dof > 0 else None
    one = Predicted(
        of=name,
        value=value,
        form=None if form is None else _spans(scale, x, form),
        noise=None if noise is None else value * noise,
    )
    if not drawn or not np.isfinite(drawn[0].quantities[name]).any():
        return one
    few = t_quantile(max(fitted.points - len(fitted.problem.free), 1)) / t_quantile(1e6)
    moved = [_moved(scale, centre, each, name, few) for centre, each in zip(found, drawn, strict=False)]
    assert fitted.draws is not None
    low, high = percentile(moved[0], fitted.draws.level)
    lo, hi = _mixed(moved, fitted.weights, fitted.draws.level)
    lo, hi = x - math.hypot(max(0.0, x - lo), noise or 0.0), x + math.hypot(max(0.0, hi - x), noise or 0.0)
    own = (max(0.0, x - low), max(0.0, high - x))
    return replace(one, lo=scale.back(lo), hi=scale.back(hi), parameters=_spans(scale, x, own))


def _moved(scale: "_Scale", centre: _Evaluated, drawn: _Evaluated, name: str, few: float) -> Floats:
    """Return the draws of a number, widened about its estimate by the factor for few points; finite ones only."""
    if name not in drawn.quantities or name not in centre.quantities:
        return np.empty(0)
    middle = scale.forward(float(centre.quantities[name][0]))
    found = middle + (scale.forward(drawn.quantities[name]) - middle) * few
    return np.asarray(found[np.isfinite(found)])


def _mixed(moved: list[Floats], weights: Floats, level: float) -> tuple[float, float]:
    """Return the central interval of a mixture: the draws of each form with its weight."""
    draws = np.concatenate(moved)
    each = np.concatenate(
        [np.full(len(one), weight / max(len(one), 1)) for one, weight in zip(moved, weights, strict=False)]
    )
    order = np.argsort(draws)
    share = np.cumsum(each[order]) / each.sum()
    lo, hi = np.interp([(1 - level) / 2, (1 + level) / 2], share, draws[order])
    return float(lo), float(hi)


@dataclass(frozen=True)
class _Scale:
    """The scale on which errors of a number are added."""

    forward: Callable[[Any], Any]
    back: Callable[[float], float]


LOGARITHM = _Scale(np.log, lambda x: math.exp(min(x, 700.0)))
AS_IT_IS = _Scale(lambda x: x, lambda x: float(x))


def _spans(scale: _Scale, x: float, ends: tuple[float, float]) -> tuple[float, float]:
    """Return distances down and up from x, in the units of the number."""
    return scale.back(x) - scale.back(x - ends[0]), scale.back(x + ends[1]) - scale.back(x)
