"""All that a study's runs say: each law on each series, how laws compare, whether r_a* moves, what reuse costs.

found = fit_study(read_table("runs.csv"), folder="fits")
print(found)
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from fits.checks import check_table, need
from fits.compare.laws import Comparison, comparisons
from fits.drift.constancy import Constancy, constancy
from fits.fit import FitOptions, fit_with_draws, known_law, usual_law
from fits.laws.curve_basis import Curve
from fits.repeats.margin import margins
from fits.repeats.pairs import has_pairs, repeats
from fits.repeats.reuse import Reuse, reuse
from fits.result import FitResult
from fits.runs.budgets import same_budget
from fits.runs.series import SeriesKey, series
from fits.runs.table import RunTable
from fits.surface.bootstrap import Draws
from planners.records.check import Check
from planners.records.errors import UsageError
from planners.records.files import read_json, write_json, write_text
from planners.records.json import from_json, to_json
from planners.records.version import toolkit_version

if TYPE_CHECKING:
    from pandas import DataFrame

FILE = "fits.json"
"""Name of the file in a folder of fits."""
WORTH = "the margin, {:.2g} nats, is what 5 % of C is worth by these runs themselves: none was fixed before them"
"""Note on a margin that nobody named."""


@dataclass(frozen=True, kw_only=True)
class StudyFits:
    """The fits and findings of one table of runs. `str()` of it is what the command prints."""

    fits: tuple[FitResult, ...]
    """Each law on each series, or on all runs for a law of several columns; in the order of the laws."""
    comparison: tuple[Comparison, ...] = ()
    """How the laws that describe the same runs compare; empty for one law."""
    constancy: Constancy | None = None
    """Whether the optimum is the same in all series; null for one series, or where the runs are too few."""
    reuse: tuple[Reuse, ...] = ()
    """What repeated data cost, by scheme; empty where no repeated run has a fresh twin."""
    checks: dict[str, tuple[Check, ...]] = field(default_factory=dict)
    """What could make a fit mislead, by name of the fit."""
    data_hash: str | None = None
    """Hash of the file that held the runs; null where there was none."""
    version: str = "unknown"
    """Version of the toolkit."""

    def of(self, law: str, key: SeriesKey | None = None) -> FitResult | None:
        """Return the fit of `law` to the series `key` (null: to all runs); None where there is none."""
        return next((fit for fit in self.fits if fit.law == law and fit.series == key), None)

    def to_frame(self) -> "DataFrame":
        """Return the parameters and optimum of every fit, one a row, with the columns of `FitResult.to_frame`."""
        import pandas as pd

        return pd.concat([fit.to_frame() for fit in self.fits], ignore_index=True)

    def __str__(self) -> str:
        from fits.text import study_summary

        return study_summary(self)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"


def fit_study(
    table: RunTable,
    laws: Sequence[str] = (),
    *,
    folder: str | Path | None = None,
    slope: float | None = None,
    **options: Unpack[FitOptions],
) -> StudyFits:
    """Fit `laws` to `table`, look for all that `StudyFits` lists, and return it.

    `laws`: names in `fits.LAWS`; by default the cubic, or the quadratic where a series has few rates. A curve is
    fitted to each series, any other law to all runs. `folder`: where `fits.json` and the bootstrap draws are written,
    in place of earlier fits; by default nothing is written. `slope`: nats that one unit of ln D takes off the loss,
    by which reuse is judged; by default it is not. The options are those of `fit_with_draws`; where no `margin` is
    given, it is what 5 % of C is worth by the runs themselves. Raises UsageError as `fit_with_draws` does.
    """
    laws = [known_law(law).name for law in laws] or [usual_law(table, options.get("of", "r_a"))]
    of, margin = options.get("of", "r_a"), options.get("margin")
    worth = {} if margin is not None else margins(table)
    draws: dict[str, Draws] = {}
    fits: list[FitResult] = []
    checks: dict[str, tuple[Check, ...]] = {}
    for law, key, part in _parts(table, laws):
        result, drawn = _fit(part, law, _worth(part, worth), options)
        fits.append(replace(result, series=key))
        checks[fits[-1].name] = check_table(part, need(known_law(law), of))
        if drawn is not None:
            draws[fits[-1].name] = drawn
    found = StudyFits(
        fits=tuple(fits),
        comparison=comparisons(table, laws),
        constancy=_constancy(table, laws, of),
        reuse=reuse(table, margin=min(worth.values(), default=margin), slope=slope) if has_pairs(table) else (),
        checks=checks,
        data_hash=table.data_hash,
        version=toolkit_version(),
    )
    if folder is not None:
        write_fits(folder, found, draws)
    return found


def write_fits(folder: str | Path, found: StudyFits, draws: Mapping[str, Draws] | None = None) -> Path:
    """Write `fits.json`, and `<name of the fit>.draws.csv` for the `draws` of a fit, into `folder`; return the JSON.

    Each file is written atomically, the draws first. Whatever earlier fits left in the folder is removed.
    """
    folder = Path(folder)
    tables = {folder / f"{name}.draws.csv": drawn for name, drawn in (draws or {}).items()}
    for path, drawn in tables.items():
        write_text(path, drawn.to_csv())
    write_json(folder / FILE, to_json(found))
    for old in {*folder.glob("*.json"), *folder.glob("*.draws.csv")} - {folder / FILE, *tables}:
        old.unlink()
    return folder / FILE


def read_fits(folder: str | Path) -> StudyFits | None:
    """Return the fits in `folder` (or in its `fits.json`), None where nothing was fitted yet.

    Raises UsageError for a corrupt file, and for fits that a version before this one wrote.

    >>> read_fits("results/laptop/fits").fits[0].law
    'cubic'
    """
    folder = Path(folder)
    folder = folder.parent if folder.name == FILE else folder
    again = f"fit again with: python -m scaling.fit {folder.parent}"
    if not (folder / FILE).is_file():
        if any(folder.glob("*.json")):
            raise UsageError(f"the fits in {folder} were written by an earlier version; {again}")
        return None
    try:
        return from_json(StudyFits, read_json(folder / FILE), str(folder / FILE))
    except UsageError as error:
        raise UsageError(f"{error}; {again}") from error


def _parts(table: RunTable, laws: Sequence[str]) -> Iterator[tuple[str, SeriesKey | None, RunTable]]:
    """Yield (law, key, runs) of each fit: a curve is fitted to each series, any other law to the whole table."""
    for law in laws:
        if isinstance(known_law(law), Curve):
            yield from ((law, key, part) for key, part in series(table).items())
        else:
            yield law, None, table


def _fit(part: RunTable, law: str, worth: float | None, options: FitOptions) -> tuple[FitResult, Draws | None]:
    if worth is None:
        return fit_with_draws(part, law, **options)
    given: FitOptions = {**options, "margin": worth}
    result, draws = fit_with_draws(part, law, **given)
    note = (WORTH.format(worth),) if isinstance(known_law(law), Curve) else ()
    return replace(result, notes=(*result.notes, *note)), draws


def _worth(part: RunTable, margins: Mapping[float, float]) -> float | None:
    """Return the margin of the budget that the runs of a series share, None where that budget has none."""
    if not margins or not part.has("C"):
        return None
    C = float(np.median(part.numbers("C")))
    nearest = min(margins, key=lambda budget: abs(math.log(budget / C)))
    return margins[nearest] if same_budget(nearest, C) else None


def _constancy(table: RunTable, laws: Sequence[str], of: str) -> Constancy | None:
    """Return whether the series of `table` have one optimum; None where they are too small: their fits say so.

    Where some MoE runs are on fresh data, only those count: another optimum on repeated data is not a movement with
    C or N.
    """
    if not any(isinstance(known_law(law), Curve) for law in laws):
        return None
    fresh = ~repeats(table)
    parts = series(table.only(fresh) if (fresh & table.routed()).any() else table)
    try:
        return constancy(parts, of=of) if len(parts) > 1 else None
    except UsageError:
        return None
