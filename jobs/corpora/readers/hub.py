"""A corpus on the Hugging Face hub, read with the `datasets` library, or local json, jsonl, csv or parquet files.

A corpus of the hub is read once and then kept; the option `revision` selects another version of it.
"""

from collections.abc import Iterator, Mapping
from logging import CRITICAL
from pathlib import Path
from typing import Any

from jobs.corpora.left_out import LeftOut
from jobs.corpora.reachable import check_reachable
from jobs.corpora.readers.packed import kind_of
from jobs.corpora.readers.reader import Reader
from jobs.corpora.readers.rows import READ, SUFFIXES, rows, text_column, text_of
from planners.records.errors import UsageError, need_packages
from planners.records.files import expanded


def documents(
    argument: str, config: str = "", split: str = "train", field: str = "", revision: str = ""
) -> Iterator[bytes | LeftOut]:
    """Yield the documents of a hub name (`NAME` or `NAME:CONFIG`), a local file, or a folder of files.

    A row without a text is left out. Raises UsageError without a network, for an unknown corpus, split or text column,
    and for a damaged file.
    """
    try:
        column = None
        for row in _rows(argument, config, split, field, revision):
            column = column or text_column(argument, row, field)
            text = text_of(argument, row, column)
            yield LeftOut.WITHOUT_TEXT if text is None else text
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
        found = sorted(file for file in path.iterdir() if kind_of(file) in READ)
        if len({READ[kind_of(file)] for file in found}) != 1:
            raise UsageError(f"{argument} must hold files of a single kind ({SUFFIXES}); give text:PATH for plain text")
        return found
    if path.is_file() and kind_of(path) not in READ:
        raise UsageError(
            f"{argument!r} is not one of {SUFFIXES}, plain or with .gz or .zst; give text:PATH for plain text"
        )
    if not path.is_file() and (kind_of(path) in READ or argument.startswith(("/", "./", "../", "~"))):
        raise UsageError(f"the file {argument!r} does not exist; give hf:PATH of json, csv or parquet, or a hub name")
    return [path] if path.is_file() else []


def _rows(argument: str, config: str, split: str, field: str, revision: str) -> Iterator[Mapping[str, Any]]:
    """Yield the rows, read on demand."""
    if found := files(argument):
        if config or revision or split != "train":
            raise UsageError(f"{argument} is local, so config, split and revision do not apply; give only ,field=")
        if not any(file.stat().st_size for file in found):
            raise UsageError(f"{argument} is empty; give a file that holds documents")
        for file in found:
            yield from rows(file, field)
        return
    need_packages("reading hf: corpora", "datasets")
    from datasets import load_dataset, logging  # late: takes seconds

    logging.set_verbosity(CRITICAL)  # errors are reported once, by us
    check_reachable()
    name, _, short = argument.partition(":")
    yield from load_dataset(name, config or short or None, split=split, revision=revision or None, streaming=True)


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


READER = Reader(
    example="hf:NAME",
    documents=documents,
    files=files,
    size=size,
    options=("config", "split", "field", "revision"),
)
