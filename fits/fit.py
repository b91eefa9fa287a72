"""Fit a law, by name, to a table of runs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypedDict, Unpack

import numpy as np

from fits.curve.fit_curve import fit_curve
from fits.curve.resampling import Resampling
from fits.laws import LAWS
from fits.laws.curve_basis import Curve
from fits.laws.law import Law
from fits.result import FitResult
from fits.runs.diverged import diverged_runs
from fits.runs.select_arms import positions
from fits.runs.series import ENOUGH_RATES, series
from fits.runs.table import RunTable
from fits.surface.bootstrap import Draws
from fits.surface.fit_surface import fit_surface
from planners.records.errors import UsageError


class FitOptions(TypedDict, total=False):
    """Options of a fit. Laws of several columns use the first four, curves of one column the next three."""

    delta: float
    """Width of the Huber loss in ln L (default: the law's, 0.001); inf: least squares, 0: least absolute deviations."""
    bootstrap: int
    """Number of bootstrap draws (default 200); 0: none, and no intervals for laws of several columns."""
    fixed: Mapping[str, float] | None
    """Parameters that are held at a value."""
    block: str | None
    """Column of a law's table whose values share noise, such as C: the bootstrap draws its groups, not the points."""
    margin: float | None
    """Difference of loss that does not matter, nats per token."""
    of: str
    """Column in which the arms differ: r_a (default), top_k, granularity, or N for isoFLOP parabolas of all runs."""
    resampling: str | None
    """residual or wild: a bootstrap of the optimum, reported next to its interval."""
    seed: int
    """Seed of the draws (default 0)."""


def fit_law(table: RunTable, law: str, **options: Unpack[FitOptions]) -> FitResult:
    """Return the fit of `law` to `table`; arguments and errors are those of `fit_with_draws`.

    >>> fit_law(read_table("runs.csv"), "quadratic", margin=0.005).optimum.value
    """
    return fit_with_draws(table, law, **options)[0]


def fit_with_draws(table: RunTable, law: str, **options: Unpack[FitOptions]) -> tuple[FitResult, Draws | None]:
    """Return the fit of `law` (a name in `fits.LAWS`) to `table`, and its bootstrap draws, None if there are none.

    A curve takes the runs of one series (`fits.runs.series`). The options are described in `FitOptions`. Raises
    UsageError for an unknown law and for impossible input; whatever the runs fail to determine is a status of the
    result.
    """
    form, seed, count = known_law(law), options.get("seed", 0), options.get("bootstrap", 200)
    if isinstance(form, Curve):
        kind = options.get("resampling")
        drawn = Resampling(kind=kind, count=count, seed=seed) if kind and count else None
        of, margin = options.get("of", "r_a"), options.get("margin")
        table = replace(table, over="N" if of == "N" else table.over)
        result, draws = fit_curve(table, form, margin=margin, of=of, resampling=drawn)
        result = _of_survivors(result, table)
    else:
        delta, fixed = options.get("delta", form.delta), options.get("fixed")
        block = options.get("block")
        result, draws = fit_surface(table, form, delta=delta, bootstrap=count, seed=seed, fixed=fixed, block=block)
    return _marked(result, table), draws


def known_law(law: str) -> Curve | Law:
    """Return the law called `law`. Raises UsageError, which lists the known ones, where there is none."""
    if law not in LAWS:
        raise UsageError(f"law {law!r} is not one of {', '.join(LAWS)}")
    return LAWS[law]


def needed(laws: Sequence[str], of: str = "r_a") -> tuple[str, ...]:
    """Return the columns that a table must have for `laws`: what the first predicts, and what all of them use.

    Columns that can be computed, and those of curves over another column than N, are not among them. A law that lacks
    another column is refused later, without the others.
    """
    forms = [known_law(law) for law in laws]
    surfaces = [form for form in forms if isinstance(form, Law)]
    if not forms or len(surfaces) < len(forms):
        return ("N", "C", "loss") if of == "N" else ("loss",)
    common = set.intersection(*(set(form.columns) for form in surfaces)) - {"r_a", "A_e"}
    both = {"N", "D"} & set(surfaces[0].columns) == {"N", "D"}
    columns = [column for column in surfaces[0].columns if column in common and not (column == "C" and both)]
    return (surfaces[0].response, *columns)


def usual_law(table: RunTable, of: str = "r_a") -> str:
    """Return the curve that is fitted where no law is named.

    It is the cubic, whose interval covers the truth as often as it says in all simulations, or the quadratic, which
    needs fewer rates, where a series has less than ENOUGH_RATES.
    """
    if not len(table) or of == "N":  # approach 2 of arXiv 2203.15556 is a parabola
        return "quadratic"
    if of == "r_a" and not table.has("r_a"):
        raise UsageError(
            f"{table.source} has neither r_a nor both N_a and N, so no curve can be fitted; name the column with"
            " --columns r_a=NAME, or choose a law of other columns, such as --law chinchilla"
        )
    rates = [np.unique(np.round(positions(part.only(part.routed()), of), 6)).size for part in series(table).values()]
    return "cubic" if rates and min(rates) >= ENOUGH_RATES else "quadratic"


def with_predicting(laws: list[str], table: RunTable, of: str) -> list[str]:
    """Return `laws`, or the usual curve, with a law of several columns among them, which can predict.

    It is the activation law where the table holds MoE runs, otherwise Chinchilla's; a table without rates has no usual
    curve.
    """
    if any(isinstance(known_law(law), Law) for law in laws):
        return laws
    rated = table.has("r_a") and bool(table.routed().any())
    usual = laws or ([usual_law(table, of)] if rated or of == "N" else [])
    return [*usual, "activation" if rated and of != "N" else "chinchilla"]


def _of_survivors(result: FitResult, table: RunTable) -> FitResult:
    """Return the result of a curve with its diverged runs; its reason says that a minimum there is conditional."""
    lost = diverged_runs(table.only(table.routed()))
    if not lost or result.optimum is None:
        return result
    named = f"{'; '.join(map(str, lost))}: a minimum near there is that of the surviving runs"
    optimum = replace(result.optimum, reason=f"{result.optimum.reason}; {named}")
    return replace(result, diverged=lost, optimum=optimum)


def _marked(result: FitResult, table: RunTable) -> FitResult:
    """Return the result with the unit of the loss, and a note where the losses were simulated and not measured."""
    result = replace(result, unit=table.unit)
    if not table.has("flags") or not table.frame["flags"].astype(str).str.contains("simulated").any():
        return result
    return replace(result, notes=("SIMULATED: these losses were drawn from a law, not measured", *result.notes))
