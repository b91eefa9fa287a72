"""Laws of the loss, fitted to a table of runs, with intervals.

table = read_table("runs.csv")
print(summary(fit_law(table, "quadratic", margin=0.005)))
"""

from fits.curve.fit_curve import curve
from fits.drift.constancy import Constancy, constancy
from fits.fit import fit_law, fit_with_draws
from fits.laws import LAWS
from fits.result import Blocks, Crossing, FitResult, Optimum, Param, Search, Sensitivity
from fits.runs.read_table import read_table
from fits.runs.table import Dropped, RunTable, from_records
from fits.store import read_fit, write_fit
from fits.surface.bootstrap import Draws
from fits.text import summary

__all__ = [
    "LAWS",
    "Blocks",
    "Constancy",
    "Crossing",
    "Draws",
    "Dropped",
    "FitResult",
    "Optimum",
    "Param",
    "RunTable",
    "Search",
    "Sensitivity",
    "constancy",
    "curve",
    "fit_law",
    "fit_with_draws",
    "from_records",
    "read_fit",
    "read_table",
    "summary",
    "write_fit",
]
