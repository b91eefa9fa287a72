"""Any corpus of the `datasets` library: a name on the Hugging Face hub, or local json, jsonl, csv or parquet files.

A corpus of the hub is read once and then kept; the option `revision` selects another version of it.
"""

from collections.abc import Iterator, Mapping
from logging import CRITICAL
from pathlib import Path
from typing import Any

from jobs.corpora.reachable import check_reachable
from jobs.corpora.readers.reader import Reader
from planners.records.errors import UsageError, need_packages
from planners.records.files import expanded

COLUMNS = ("text", "content", "story", "document")
"""Columns that may hold the text if no field is named; the first one present is used."""
BUILDERS = {".json": "json", ".jsonl": "json", ".csv": "csv", ".parquet": "parquet"}
"""Builders of the `datasets` library by the suffix of a file."""
SUFFIXES = ", ".join(BUILDERS)


def documents(
    argument: str, config: str = "", split: str = "train", field: str = "", revision: str = ""
) -> Iterator[bytes]:
    """Yield the documents of a hub name (`NAME` or `NAME:CONFIG`), a local file, or a folder of files.

    Raises UsageError without a network, for an unknown corpus, split or text column, and for a damaged file.
    """
    try:
        column = None
        for row in _rows(argument, config, split, revision):
            column = column or _text_column(argument, row, field)
            text = row[column]
            if not isinstance(text, str | None):
                kind = type(text).__name__
                raise UsageError(
                    f"the field {column!r} of {argument} holds {kind}, not text; name another one with ,field="
                )
            yield (text or "").encode("utf-8", errors="replace")
    except UsageError:
        raise
    except ConnectionError as error:
        advice = "use a local file (hf:PATH, text:PATH), stdlib or synthetic"
        raise UsageError(f"the hub cannot be reached for the corpus {argument}; {advice}") from error
    except Exception as error:  # the readers of `datasets` raise errors of many libraries
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"the corpus {argument} cannot be loaded: {first_line}") from error


def files(argument: str) -> list[Path]:
    """Return the local files that are read; none for a name on the hub.

    Raises UsageError for a path that does not exist or has an unknown suffix.
    """
    if not argument:
        raise UsageError("hf: needs a name, such as hf:roneneldan/TinyStories, or a local json, csv or parquet file")
    path = expanded(argument)
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix in BUILDERS)
        if len({BUILDERS[file.suffix] for file in found}) != 1:
            raise UsageError(f"{argument} must hold files of a single kind ({SUFFIXES}); give text:PATH for plain text")
        return found
    if path.is_file() and path.suffix not in BUILDERS:
        raise UsageError(f"{argument!r} is not one of {SUFFIXES}; give text:PATH for plain text")
    if not path.is_file() and (path.suffix in BUILDERS or argument.startswith(("/", "./", "../", "~"))):
        raise UsageError(f"the file {argument!r} does not exist; give hf:PATH of json, csv or parquet, or a hub name")
    return [path] if path.is_file() else []


def _rows(argument: str, config: str, split: str, revision: str) -> Any:
    """Return an iterable of rows, read on demand."""
    need_packages("reading hf: corpora", "datasets")
    from datasets import load_dataset, logging  # late: takes seconds

    logging.set_verbosity(CRITICAL)  # errors are reported once, by us
    if found := files(argument):
        if config or revision or split != "train":
            raise UsageError(f"{argument} is local, so config, split and revision do not apply; give only ,field=")
        if not any(file.stat().st_size for file in found):
            raise UsageError(f"{argument} is empty; give a file that holds documents")
        paths = [str(file) for file in found]
        return load_dataset(BUILDERS[found[0].suffix], data_files=paths, split="train", streaming=True)
    check_reachable()
    name, _, short = argument.partition(":")
    return load_dataset(name, config or short or None, split=split, revision=revision or None, streaming=True)


def size(argument: str, config: str = "", split: str = "train", field: str = "", revision: str = "") -> int | None:
    """Return roughly the bytes of text to read, or None if unknown."""
    try:
        if found := files(argument):
            return sum(_uncompressed(file) for file in found)
        from datasets import load_dataset_builder

        check_reachable()
        name, _, short = argument.partition(":")
        builder = load_dataset_builder(name, config or short or None, revision=revision or None)
        return int(builder.info.splits[split].num_bytes)
    except Exception:  # this is only for the progress bar; reading reports what is wrong
        return None


def _uncompressed(file: Path) -> int:
    """Return the bytes of a file before compression."""
    if file.suffix != ".parquet":
        return file.stat().st_size
    from pyarrow.parquet import read_metadata  # type: ignore[import-untyped]

    metadata = read_metadata(file)
    return sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))


def _text_column(argument: str, row: Mapping[str, Any], field: str) -> str:
    """Return the column that holds the text."""
    wanted = (field,) if field else COLUMNS
    column = next((column for column in wanted if column in row), None)
    if column is None:
        have = ", ".join(row)
        raise UsageError(f"the corpus {argument} has the fields {have} but not {' or '.join(wanted)}; give ,field=NAME")
    return column


READER = Reader(
    example="hf:NAME",
    documents=documents,
    files=files,
    size=size,
    options=("config", "split", "field", "revision"),
)
