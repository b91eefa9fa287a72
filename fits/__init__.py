"""Fit laws of the loss to a table of runs, with intervals.

table = read_table("runs.csv")
print(fit_law(table, "quadratic", margin=0.005))
"""

from typing import TYPE_CHECKING

from fits.curve.curve_of_fit import curve as curve  # not lazy: the room `fits.curve` would take its name
from planners.records.lazy_names import lazy_names

if TYPE_CHECKING:  # what editors and type checkers see; a test holds it against the names below
    from fits.drift.constancy import Constancy as Constancy, constancy as constancy
    from fits.fit import (
        FitOptions as FitOptions,
        fit_law as fit_law,
        fit_with_draws as fit_with_draws,
        known_law as known_law,
        needed as needed,
    )
    from fits.laws import LAWS as LAWS
    from fits.predict.registered import register as register, score as score
    from fits.result import (
        Blocks as Blocks,
        Crossing as Crossing,
        FitResult as FitResult,
        Optimum as Optimum,
        Param as Param,
        Search as Search,
        Sensitivity as Sensitivity,
    )
    from fits.runs.read_table import read_table as read_table
    from fits.runs.series import SeriesKey as SeriesKey, series as series
    from fits.runs.table import Dropped as Dropped, RunTable as RunTable, from_records as from_records
    from fits.study import StudyFits as StudyFits, fit_study as fit_study, read_fits as read_fits
    from fits.surface.bootstrap import Draws as Draws
    from fits.text import summary as summary

__getattr__, __dir__, __all__ = lazy_names(
    "fits",
    {
        "fits.curve.curve_of_fit": "curve",
        "fits.drift.constancy": "Constancy constancy",
        "fits.fit": "FitOptions fit_law fit_with_draws known_law needed",
        "fits.laws": "LAWS",
        "fits.predict.registered": "register score",
        "fits.result": "Blocks Crossing FitResult Optimum Param Search Sensitivity",
        "fits.runs.read_table": "read_table",
        "fits.runs.series": "SeriesKey series",
        "fits.runs.table": "Dropped RunTable from_records",
        "fits.study": "StudyFits fit_study read_fits",
        "fits.surface.bootstrap": "Draws",
        "fits.text": "summary",
    },
)
