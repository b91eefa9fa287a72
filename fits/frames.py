"""Fits as a pandas table: one parameter or optimum a row, for notebooks and papers."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fits.result import FitResult, Optimum, Param

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("law", "data", "n", "name", "value", "lo", "hi", "status")
"""Columns of the table; lo and hi are the ends of the 95 % interval, and what is not known is NaN."""


def frame(results: Iterable[FitResult]) -> "DataFrame":
    """Return the parameters of each fit, then its optimum, one a row, with COLUMNS."""
    import pandas as pd

    rows = [
        (result.law, result.data, result.n, name, one.value, one.lo, one.hi, one.status)
        for result in results
        for name, one in _estimates(result).items()
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"value": float, "lo": float, "hi": float})


def _estimates(result: FitResult) -> dict[str, Param | Optimum]:
    optimum = {f"{result.optimum.of}*": result.optimum} if result.optimum else {}
    return {**result.params, **optimum}
