"""Fit laws of the loss to a table of runs, with intervals.

table = read_table("runs.csv")
print(fit_law(table, "quadratic", margin=0.005))
"""

from fits.curve.curve_of_fit import curve
from fits.drift.constancy import Constancy, constancy
from fits.fit import FitOptions, fit_law, fit_with_draws
from fits.laws import LAWS
from fits.result import Blocks, Crossing, FitResult, Optimum, Param, Search, Sensitivity
from fits.runs.read_table import read_table
from fits.runs.series import SeriesKey, series
from fits.runs.table import Dropped, RunTable, from_records
from fits.study import StudyFits, fit_study, read_fits
from fits.surface.bootstrap import Draws
from fits.text import summary

__all__ = [
    "LAWS",
    "Blocks",
    "Constancy",
    "Crossing",
    "Draws",
    "Dropped",
    "FitOptions",
    "FitResult",
    "Optimum",
    "Param",
    "RunTable",
    "Search",
    "Sensitivity",
    "SeriesKey",
    "StudyFits",
    "constancy",
    "curve",
    "fit_law",
    "fit_study",
    "fit_with_draws",
    "from_records",
    "read_fits",
    "read_table",
    "series",
    "summary",
]
