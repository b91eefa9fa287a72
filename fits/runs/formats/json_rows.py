"""JSON: an array of objects, an object that wraps one, columns of values, or one object a line (NDJSON)."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fits.runs.rows import Rows
from planners.records.errors import UsageError

_EVALUATIONS = "results"
"""Key of a file of lm-eval, which has no list of runs."""


def is_json(text: str) -> bool:
    """Return whether the text starts as JSON does."""
    return text.lstrip().startswith(("{", "["))


def read_json_rows(text: str, source: str) -> Rows:
    """Return the rows; nested objects become columns such as `config.n_params`. Raises UsageError."""
    try:
        rows, torn = _records(json.loads(text), source), False
    except json.JSONDecodeError as error:
        rows, torn = _lines(text, source, error)
    except RecursionError as error:
        raise UsageError(f"{source} is nested too deeply; give one object a run") from error
    if not rows:
        raise UsageError(f"{source} holds no runs; give one object a run")
    if not all(isinstance(row, Mapping) for row in rows):
        wrong = next(row for row in rows if not isinstance(row, Mapping))
        raise UsageError(f"{source}: a run must be an object with columns and values, not {str(wrong)[:40]!r}")
    return Rows(rows=[dict(_flat(row)) for row in rows], torn=torn)


def _lines(text: str, source: str, error: json.JSONDecodeError) -> tuple[list[Any], bool]:
    """Return one object a line, and whether the last line was torn."""
    lines = [(at, line) for at, line in enumerate(text.splitlines(), 1) if line.strip()]
    if text.lstrip().startswith("["):
        raise UsageError(f"{source} line {error.lineno} is not JSON ({error.msg}); write the file again") from error
    rows = []
    for at, line in lines:
        try:
            rows.append(json.loads(line))
        except ValueError:
            if at == lines[-1][0] and rows:
                return rows, True
            raise UsageError(f"{source} line {at} is not JSON; restore or remove that line") from None
    return rows, False


def _records(data: Any, source: str) -> list[Any]:
    """Return the list of runs in `data`."""
    if isinstance(data, list):
        return data
    if not isinstance(data, Mapping):
        raise UsageError(f"{source} holds no runs; give one object a run")
    if _EVALUATIONS in data and not isinstance(data[_EVALUATIONS], list):
        what = "the evaluations of one model (lm-eval)"
        raise UsageError(f"{source} is {what}; a table of one run a row is wanted: its N, its D and its final loss")
    if isinstance(data.get("columns"), list) and isinstance(data.get("data"), list):  # pandas, orient="split"
        return [dict(zip(map(str, data["columns"]), row, strict=False)) for row in data["data"]]
    lists = {key: value for key, value in data.items() if isinstance(value, list) and value}
    wrapped = [value for value in lists.values() if all(isinstance(row, Mapping) for row in value)]
    if len(wrapped) == 1:
        return list(wrapped[0])
    if lists and len(lists) == len(data) and len({len(value) for value in lists.values()}) == 1:
        return [dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True)]
    nested = [value for value in data.values() if isinstance(value, Mapping)]
    if len(nested) == 1 and nested[0] and all(isinstance(cells, list) for cells in nested[0].values()):
        return _records(nested[0], source)
    columns = list(data.values())
    if columns and all(isinstance(column, Mapping) for column in columns):
        return _by_key(data)
    return [data]


def _by_key(data: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """Return the rows of an object of objects: columns by index, as pandas writes them, or runs by name."""
    keys = list(next(iter(data.values())))
    if keys and all(key.isdigit() for key in keys):
        return [{name: column.get(key) for name, column in data.items()} for key in keys]
    return [{"run": name, **row} for name, row in data.items()]


def _flat(row: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        else:
            yield name, value if isinstance(value, str | int | float | None) else json.dumps(value)
