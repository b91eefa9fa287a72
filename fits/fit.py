"""Fit a law, by name, to a table of runs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fits.curve.fit_curve import fit_curve
from fits.curve.resampling import Resampling
from fits.laws import LAWS
from fits.laws.curve_basis import Curve
from fits.result import FitResult
from fits.runs.select_arms import positions
from fits.runs.series import series
from fits.runs.table import RunTable
from fits.surface.bootstrap import Draws
from fits.surface.fit_surface import fit_surface
from planners.records.errors import UsageError

ENOUGH_RATES = 5
"""Rates from which a cubic is tested and not only met."""


def fit_law(table: RunTable, law: str, **options: Any) -> FitResult:
    """Return the fit of `law` to `table`; the options are those of `fit_with_draws`."""
    return fit_with_draws(table, law, **options)[0]


def fit_with_draws(
    table: RunTable,
    law: str,
    *,
    delta: float = 1e-3,
    bootstrap: int = 200,
    margin: float | None = None,
    of: str = "r_a",
    resampling: str | None = None,
    seed: int = 0,
    fixed: Mapping[str, float] | None = None,
) -> tuple[FitResult, Draws | None]:
    """Return the fit of `law` to `table` and its bootstrap draws, None where there are none.

    `delta` (Huber width in ln L; inf for least squares, 0 for least absolute deviations) and `fixed` (parameters held
    at a value) are for laws of several columns. For curves, which take one series at a time (`fits.runs`): `margin`
    (nats per token that count as no difference), `of` (the column along which arms differ: r_a, top_k or granularity)
    and `resampling` (residual or wild: a bootstrap beside the interval). `bootstrap` is the number of draws, 0 for
    none, and `seed` theirs. Raises UsageError for an unknown law and for input that cannot be true; whatever the runs
    fail to determine is a status of the result.
    """
    if law not in LAWS:
        raise UsageError(f"no law is called {law!r}; known: {', '.join(LAWS)}")
    form = LAWS[law]
    if isinstance(form, Curve):
        drawn = Resampling(kind=resampling, count=bootstrap, seed=seed) if resampling and bootstrap else None
        result, draws = fit_curve(table, form, margin=margin, of=of, resampling=drawn)
    else:
        result, draws = fit_surface(table, form, delta=delta, bootstrap=bootstrap, seed=seed, fixed=fixed)
    return _marked(result, table), draws


def usual_law(table: RunTable, of: str = "r_a") -> str:
    """Return the curve that answers unless another is asked for.

    It is the cubic, whose interval covers what it says on every truth that was tried, and the quadratic, which needs
    fewer, where a series has less than ENOUGH_RATES rates.
    """
    if not len(table):
        return "quadratic"
    if of == "r_a" and not table.has("r_a"):
        raise UsageError(
            f"{table.source} has neither r_a nor both N_a and N, so no curve of it can be drawn; name the column with"
            " --columns r_a=NAME, or choose a law of other columns, such as --law chinchilla"
        )
    rates = [np.unique(np.round(positions(part.only(part.routed()), of), 6)).size for part in series(table).values()]
    return "cubic" if rates and min(rates) >= ENOUGH_RATES else "quadratic"


def _marked(result: FitResult, table: RunTable) -> FitResult:
    """Return the result, with a note where the losses were drawn and not measured."""
    if not table.has("flags") or not table.frame["flags"].astype(str).str.contains("simulated").any():
        return result
    return replace(result, notes=("SIMULATED: these losses were drawn from a law, not measured", *result.notes))
