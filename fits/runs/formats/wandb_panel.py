"""A chart that Weights & Biases exported: one line a step, and for each run `<run> - <metric>`, `__MIN` and `__MAX`."""

from typing import Any

from fits.runs.columns.cells import is_missing
from fits.runs.rows import Rows

_ENDS = ("__MIN", "__MAX")


def one_run_a_row(rows: Rows) -> Rows:
    """Return one row a run, with its last step and value; rows that are not of a chart stay as they are."""
    names = list(rows.rows[0]) if rows.rows else []
    values = [name for name in names[1:] if " - " in name and not any(map(name.endswith, _ENDS))]
    bounds = [f"{name}{end}" for name in values for end in _ENDS]
    metrics = {name.rpartition(" - ")[2] for name in values}
    if not values or len(metrics) > 1 or not {*names[1:]} <= {*values, *bounds}:
        return rows
    what = "a chart of Weights & Biases, of which the last value of each run was read"
    return Rows(rows=[_last(rows.rows, names[0], name) for name in values], grouped=rows.grouped, what=what)


def _last(rows: list[dict[str, Any]], step: str, name: str) -> dict[str, Any]:
    run, _, metric = name.rpartition(" - ")
    line = next((row for row in reversed(rows) if not is_missing(row[name])), None)
    return {"run": run, step: line and line[step], metric: line and line[name]}
