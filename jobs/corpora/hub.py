"""Any corpus of the `datasets` library: a name on the hub, or local json, jsonl, csv or parquet files."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from planners.errors import UsageError

COLUMNS = ("text", "content", "story", "document")
"""Columns that hold the text, the first one present is taken."""
BUILDERS = {".json": "json", ".jsonl": "json", ".csv": "csv", ".parquet": "parquet"}


def documents(argument: str) -> Iterator[bytes]:
    """Yield the training documents of `NAME`, `NAME:CONFIG` or a local file of a kind in BUILDERS.

    Raises UsageError where there is no network, no such corpus or no text column.
    """
    from datasets import load_dataset  # late: takes seconds

    name, _, config = argument.partition(":")
    if not name:
        raise UsageError("hf: needs a name, such as hf:roneneldan/TinyStories, or a local json, csv or parquet file")
    if Path(argument).suffix in BUILDERS and not Path(argument).is_file():
        raise UsageError(f"there is no file {argument!r}; give hf:PATH of a json, csv or parquet file, or a hub name")
    try:
        if Path(argument).is_file():
            builder = BUILDERS.get(Path(argument).suffix)
            if builder is None:
                raise UsageError(f"{argument!r} is not one of {', '.join(BUILDERS)}; give text:PATH for plain text")
            rows = load_dataset(builder, data_files=argument, split="train", streaming=True)
        else:
            rows = load_dataset(name, config or None, split="train", streaming=True)
        column = None
        for row in rows:
            column = column or _text_column(argument, row)
            yield (row[column] or "").encode()
    except ConnectionError as error:
        raise UsageError(f"the corpus {argument} cannot be reached; use a local file, text:PATH or stdlib") from error
    except (ValueError, FileNotFoundError, ImportError) as error:
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"the corpus {argument} cannot be loaded: {first_line}") from error


def _text_column(argument: str, row: Mapping[str, Any]) -> str:
    """Return the column that holds the text."""
    column = next((column for column in COLUMNS if column in row), None)
    if column is None:
        raise UsageError(f"the corpus {argument} has the columns {', '.join(row)} but none of {', '.join(COLUMNS)}")
    return column
