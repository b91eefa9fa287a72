"""The texts of local json, jsonl, csv and parquet files: the column of the text alone is read, row by row."""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jobs.corpora.readers.packed import kind_of, open_packed
from planners.records.errors import UsageError, need_packages

COLUMNS = ("text", "content", "story", "document")
"""Columns that may hold the text if no field is named; the first one present is used."""
Row = Mapping[str, Any]


def text_column(argument: str, row: Row, field: str) -> str:
    """Return the column that holds the text: a name, or names with dots for nested fields.

    Raises UsageError, which lists the columns, if there is none.
    """
    wanted = (field,) if field else COLUMNS
    column = next((column for column in wanted if value_at(row, column) is not _MISSING), None)
    if column is None:
        below = [f"{name}.{key}" for name, value in row.items() if isinstance(value, dict) for key in value]
        have = ", ".join([*row, *below])
        raise UsageError(f"the corpus {argument} has the fields {have} but not {' or '.join(wanted)}; give ,field=NAME")
    return column


_MISSING = object()


def value_at(row: Row, column: str) -> Any:
    """Return a field of a row; a name with dots that is not a field itself reaches into nested objects."""
    if column in row:
        return row[column]
    value: Any = row
    for name in column.split("."):
        value = value.get(name, _MISSING) if isinstance(value, dict) else _MISSING
    return value


def text_of(argument: str, row: Row, column: str) -> bytes | None:
    """Return the text of a row, or None for a row without one. Raises UsageError for a value that is not text."""
    text = value_at(row, column)
    if text is None or text is _MISSING:
        return None
    if not isinstance(text, str):
        kind = type(text).__name__
        raise UsageError(f"the field {column!r} of {argument} holds {kind}, not text; name another one with ,field=")
    return text.encode("utf-8", errors="replace")


def _json(path: Path, field: str) -> Iterator[Row]:
    """Yield the objects of a list, or of one object a line."""
    with open_packed(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig") as lines:
        first = next((line for line in lines if line.strip()), "")
        if first.lstrip().startswith("["):
            yield from map(_object, json.loads(first + lines.read()))
            return
        try:
            yield _object(json.loads(first))
        except json.JSONDecodeError:  # one object over many lines
            whole = json.loads(first + lines.read())
            rows = next((value for value in whole.values() if isinstance(value, list)), [whole])
            yield from map(_object, rows)
            return
        yield from (_object(json.loads(line)) for line in lines if line.strip())


def _object(row: Any) -> Row:
    if not isinstance(row, dict):
        raise ValueError(f"a row is {type(row).__name__} and not an object with fields")
    return row


def _csv(path: Path, field: str) -> Iterator[Row]:
    csv.field_size_limit(sys.maxsize)
    with open_packed(path) as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as lines:
        yield from csv.DictReader(lines)


def _parquet(path: Path, field: str) -> Iterator[Row]:
    need_packages("reading parquet", "pyarrow")
    from pyarrow.parquet import ParquetFile  # type: ignore[import-untyped]

    file = ParquetFile(path)
    names = file.schema_arrow.names
    wanted = [field] if field in names else [field.partition(".")[0]] if field else list(COLUMNS)
    columns = [name for name in wanted if name in names][:1]
    if not columns:
        yield dict.fromkeys(names)
        return
    for batch in file.iter_batches(columns=columns, batch_size=1024):
        yield from batch.to_pylist()


READ: Mapping[str, Callable[[Path, str], Iterator[Row]]] = {
    ".json": _json, ".jsonl": _json, ".ndjson": _json, ".csv": _csv, ".parquet": _parquet,
}  # fmt: skip
"""Suffix -> reader of a file, given the field of the text."""
SUFFIXES = ", ".join(READ)


def rows(path: Path, field: str) -> Iterator[Row]:
    """Yield the rows of a file. Raises UsageError for a damaged one."""
    try:
        yield from READ[kind_of(path)](path, field)
    except UsageError:
        raise
    except Exception as error:  # readers of five formats raise errors of their own
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"the corpus {path} cannot be loaded: {first_line}") from error
