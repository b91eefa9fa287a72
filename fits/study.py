"""All fits of a study in one record and one file: each law on each series, with comparison, constancy, reuse, checks.

found = fit_study(read_table("runs.csv"), folder="fits")
print(found)
"""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np

from fits.compare.compute_multiplier import ComputeMultiplier, compute_multipliers
from fits.compare.laws import Comparison, comparisons
from fits.drift.constancy import Constancy, constancy
from fits.fit import FitOptions, fit_with_draws, known_law, usual_law, with_predicting
from fits.isoflop import Isoflop, isoflop
from fits.laws import LAWS
from fits.laws.curve_basis import Curve
from fits.predict.prediction import Prediction
from fits.predict.published_rates import PublishedRate, published_rates
from fits.predict.study_predictions import predictions_of
from fits.repeats.margin import margins
from fits.repeats.pairs import has_pairs, repeats
from fits.repeats.reuse import Reuse, reuse
from fits.result import FitResult
from fits.runs.learning_rates import best_learning_rates, choose_learning_rates
from fits.runs.same_budget import same_budget
from fits.runs.select_arms import no_question
from fits.runs.series import SeriesKey, series
from fits.runs.table import RunTable
from fits.surface.bootstrap import Draws
from fits.table_checks import check_result, check_table, need
from fits.text import study_summary
from planners.records.check import Check
from planners.records.errors import UsageError
from planners.records.files import read_json, write_json, write_text
from planners.records.json import content_hash, from_json, to_json
from planners.records.notebook_repr import NotebookRepr
from planners.records.version import VERSION

if TYPE_CHECKING:
    from pandas import DataFrame

FILE = "fits.json"
"""Name of the file in a folder of fits."""
SEAL = "sha256"
"""Key of the file that holds the hash of all others, so that an edited file is not taken for a fit."""
WORTH = "no margin was fixed before the runs; the margin of {:.2g} {} is what 5 % of C is worth, by these runs"
"""Note on a margin that the user did not give."""


@dataclass(frozen=True, kw_only=True)
class StudyFits(NotebookRepr):
    """The fits and findings of one table of runs. `str()` of it is what the command prints."""

    fits: tuple[FitResult, ...]
    """Each law on each series, or on all runs for a law of several columns; in the order of the laws."""
    comparison: tuple[Comparison, ...] = ()
    """Comparison of the laws that describe the same runs; empty for a single law."""
    constancy: Constancy | None = None
    """Test of whether the optimum is the same in all series; null for one series or for too few runs."""
    reuse: tuple[Reuse, ...] = ()
    """Cost of repeated data, by scheme; empty if no run on repeated data has a counterpart on fresh data."""
    isoflop: Isoflop | None = None
    """For curves over N: the best N of each budget and its exponents in C; null otherwise."""
    checks: dict[str, tuple[Check, ...]] = field(default_factory=dict)
    """Checks of the runs behind each fit, by name of the fit."""
    predictions: tuple[Prediction, ...] = ()
    """What the laws of several columns predict: at the targets, and the compute-optimal size at the largest C."""
    published: tuple[PublishedRate, ...] = ()
    """What publications recommend at the N and C of each optimum over r_a, each under its constraint."""
    multipliers: tuple[ComputeMultiplier, ...] = ()
    """Compute of the dense arm over that of each MoE arm at equal loss, in FLOPs and in time."""
    no_multiplier: str | None = None
    """Why there is no compute multiplier; null where there is one, and for tables without MoE and dense runs."""
    refused: dict[str, str] = field(default_factory=dict)
    """What could not be fitted or predicted -> why: a law that lacks a column does not take the others with it."""
    data_hash: str | None = None
    """Hash of the file that held the runs; null if there was none."""
    version: str = "unknown"
    """Version of the toolkit that made the fits."""

    def of(self, law: str, key: SeriesKey | None = None) -> FitResult | None:
        """Return the fit of `law` to the series `key`, or with None to all runs; None if there is no such fit."""
        return next((fit for fit in self.fits if fit.law == law and fit.series == key), None)

    def to_frame(self) -> "DataFrame":
        """Return the parameters and optimum of every fit, one a row, with the columns of `FitResult.to_frame`."""
        import pandas as pd

        return pd.concat([fit.to_frame() for fit in self.fits], ignore_index=True)

    def __str__(self) -> str:
        return study_summary(self)


def fit_study(
    table: RunTable,
    laws: Sequence[str] = (),
    *,
    folder: str | Path | None = None,
    slope: float | None = None,
    learning_rates: str = "best",
    at: Sequence[Mapping[str, float]] = (),
    **options: Unpack[FitOptions],
) -> StudyFits:
    """Return the fits of `laws` to `table`, with their comparison, constancy, cost of reuse and checks.

    `laws` are names in `fits.LAWS`; the default is the cubic, or the quadratic if a series has few rates. A curve is
    fitted to each series, any other law to all runs. If `folder` is given, `fits.json` and the bootstrap draws are
    written there and replace earlier fits. `slope` is the decrease of the loss per unit of ln D in nats, for the
    half-life of repeated data. `learning_rates` says what becomes of cells that were run at several: `best` keeps the
    best of each cell, `all` makes each learning rate a series. `at` are targets, such as `{"C": 1e21}`, for which every
    law of several columns predicts; without such a law the usual one is fitted too. The other options are those of
    `fit_with_draws`; the default `margin` is what 5 % of C is worth, by the runs themselves. A law that the table has
    no column for is listed in `refused`. Raises UsageError as `fit_with_draws` does if no law can be fitted.
    """
    table = choose_learning_rates(table, learning_rates)
    of, margin = options.get("of", "r_a"), options.get("margin")
    table = replace(table, over="N" if of == "N" else table.over)
    laws = [known_law(law).name for law in laws]
    laws = with_predicting(laws, table, of) if at else laws or [usual_law(table, of)]
    worth = {} if margin is not None else margins(table)
    draws: dict[str, Draws] = {}
    fits: list[FitResult] = []
    checks: dict[str, tuple[Check, ...]] = {}
    refused: dict[str, str] = {}
    for law, key, part in _parts(table, laws):
        try:
            result, drawn = _fit(part, law, _worth(part, worth), options)
        except UsageError as error:
            if len(laws) == 1:
                raise
            refused[law] = str(error)
            continue
        fits.append(replace(result, series=key))
        checks[fits[-1].name] = (*check_table(part, need(known_law(law), of)), *check_result(result))
        if drawn is not None:
            draws[fits[-1].name] = drawn
    if not fits:
        raise UsageError(f"none of {', '.join(laws)} can be fitted: {next(iter(refused.values()))}")
    laws = [law for law in laws if law not in refused]
    predictions, unanswered = predictions_of(fits, at)
    multipliers, no_multiplier = compute_multipliers(table) if of == "r_a" else ((), None)
    found = StudyFits(
        fits=tuple(fits),
        predictions=predictions,
        published=_published(table, fits) if of == "r_a" else (),
        multipliers=multipliers,
        no_multiplier=no_multiplier,
        refused=refused | unanswered,
        comparison=comparisons(table, laws),
        constancy=_constancy(table, laws, of),
        reuse=reuse(table, margin=min(worth.values(), default=margin), slope=slope) if has_pairs(table) else (),
        isoflop=_isoflop(table, fits, options) if of == "N" else None,
        checks=checks,
        data_hash=table.data_hash,
        version=VERSION,
    )
    if folder is not None:
        write_fits(folder, found, draws)
    return found


def write_fits(folder: str | Path, found: StudyFits, draws: Mapping[str, Draws] | None = None) -> Path:
    """Write `fits.json`, and `<name of a fit>.draws.csv` with its `draws`, to `folder`; return the path of the former.

    Each file is written atomically, the draws first. The draws of the fits before are then removed; no other file is.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    before = written_files(folder)
    tables = {folder / f"{name}.draws.csv": drawn for name, drawn in (draws or {}).items()}
    for path, drawn in tables.items():
        write_text(path, drawn.to_csv())
    content = to_json(found)
    write_json(folder / FILE, {**content, SEAL: content_hash(content)})
    for path in before - {*tables, folder / FILE}:
        path.unlink(missing_ok=True)
    return folder / FILE


def written_files(folder: str | Path) -> set[Path]:
    """Return the files that `write_fits` wrote to `folder`: `fits.json`, and the draws of the fits that it lists."""
    path = Path(folder) / FILE
    try:
        found = read_fits(folder) if path.is_file() else None
    except UsageError:
        return {path}
    names = {f"{fit.name}.draws.csv" for fit in found.fits} if found else set()
    return {path, *(Path(folder) / name for name in names if os.sep not in name)} if found else set()


def _old_fits(folder: Path) -> list[Path]:
    """Return the JSON files that earlier versions wrote: one for each fit, and one for each finding."""
    findings = (folder / f"{name}.json" for name in ("comparison", "constancy", "reuse"))
    return [*_of_laws(folder, ".json"), *(path for path in findings if path.is_file())]


def _of_laws(folder: Path, ending: str) -> list[Path]:
    """Return the files of fits, named `<law>` or `<law>-<series>`; other files in the folder belong to the user."""
    return [path for law in LAWS for name in (law, f"{law}-*") for path in folder.glob(f"{name}{ending}")]


def read_fits(folder: str | Path) -> StudyFits | None:
    """Return the fits in `folder` (or in its `fits.json`), None where nothing was fitted yet.

    Raises UsageError for a corrupt or edited file, and for fits that a version before this one wrote.

    >>> read_fits("results/laptop/fits").fits[0].law
    'cubic'
    """
    folder = Path(folder)
    folder = folder.parent if folder.name == FILE else folder
    again = f"fit again with: python -m scaling.fit {folder.parent}"
    if not (folder / FILE).is_file():
        if _old_fits(folder):
            raise UsageError(f"the fits in {folder} were written by an earlier version; {again}")
        return None
    try:
        content = read_json(folder / FILE)
        if isinstance(content, dict) and content.pop(SEAL, None) not in (None, content_hash(content)):
            raise UsageError(f"{folder / FILE} was edited after the fit")
        return from_json(StudyFits, content, str(folder / FILE))
    except UsageError as error:
        raise UsageError(f"{error}; {again}") from error


def _parts(table: RunTable, laws: Sequence[str]) -> Iterator[tuple[str, SeriesKey | None, RunTable]]:
    """Yield (law, key, runs) of each fit: a curve is fitted to each series, any other law to the whole table."""
    for law in laws:
        if isinstance(known_law(law), Curve):
            yield from ((law, key, part) for key, part in series(table).items())
        else:
            yield law, None, best_learning_rates(table)


def _fit(part: RunTable, law: str, worth: float | None, options: FitOptions) -> tuple[FitResult, Draws | None]:
    if worth is None:
        return fit_with_draws(part, law, **options)
    given: FitOptions = {**options, "margin": worth}
    result, draws = fit_with_draws(part, law, **given)
    note = (WORTH.format(worth, part.unit),) if isinstance(known_law(law), Curve) else ()
    return replace(result, notes=(*result.notes, *note)), draws


def _isoflop(table: RunTable, fits: Sequence[FitResult], options: FitOptions) -> Isoflop | None:
    return isoflop(table, fits, bootstrap=options.get("bootstrap", 200), seed=options.get("seed", 0))


def _worth(part: RunTable, margins: Mapping[float, float]) -> float | None:
    """Return the margin at the budget of a series, or None if it has none."""
    if not margins or not part.has("C"):
        return None
    C = float(np.median(part.numbers("C")))
    nearest = min(margins, key=lambda budget: abs(math.log(budget / C)))
    return margins[nearest] if same_budget(nearest, C) else None


def _published(table: RunTable, fits: Sequence[FitResult]) -> tuple[PublishedRate, ...]:
    """Return what publications recommend at the N and C of each series with an optimum."""
    keys = {fit.series for fit in fits if fit.optimum is not None}
    found = [part.only(part.routed()) for key, part in series(table).items() if key in keys]
    known = [one for one in found if one.has("N") and one.has("C")]
    places = [(_rounded(one, "N"), _rounded(one, "C")) for one in known]
    return tuple(each for N, C in dict.fromkeys(places) for each in published_rates(N, C))


def _rounded(table: RunTable, column: str) -> float:
    return float(f"{np.median(table.numbers(column)):.3g}")


def _constancy(table: RunTable, laws: Sequence[str], of: str) -> Constancy | None:
    """Return the test of whether the series of `table` have one optimum; None if their runs are too few for it.

    If some MoE runs are on fresh data, only these are tested: a different optimum on repeated data is not a movement
    with C or N. Over N there is no such test, since the optimal N grows with C.
    """
    if of == "N" or not any(isinstance(known_law(law), Curve) for law in laws):
        return None
    fresh = ~repeats(table)
    parts = series(table.only(fresh) if (fresh & table.routed()).any() else table)
    parts = {key: part for key, part in parts.items() if not no_question(part.only(part.routed()), of)}
    try:
        return constancy(parts, of=of) if len(parts) > 1 else None
    except UsageError:
        return None
