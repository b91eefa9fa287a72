"""Local text: a file, or every text file below a folder."""

from collections.abc import Iterator
from pathlib import Path

from jobs.corpora.readers.reader import Reader
from planners.records.errors import UsageError
from planners.records.files import expanded

BLOCK = 4096
"""A single file is cut at line ends into documents of about this many bytes, so that some can be held out."""
LONGEST_LINE = 2**24
"""Longest line in bytes; a longer one is cut, so that memory stays bounded."""


def documents(argument: str) -> Iterator[bytes]:
    """Yield the documents of the file or folder `argument`; documents with a zero byte are not text and are skipped.

    Raises UsageError if the path is missing or cannot be read.
    """
    try:
        if expanded(argument).is_file():
            yield from _blocks(expanded(argument))
        else:
            for file in files(argument):
                yield from _text(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{error.filename or argument} cannot be read ({error.strerror})") from error


def size(argument: str) -> int:
    """Return the bytes to read."""
    return sum(file.stat().st_size for file in files(argument))


def files(argument: str) -> list[Path]:
    """Return the file, or all files below the folder except hidden ones. Raises UsageError if neither exists."""
    if not argument:
        raise UsageError("text: needs a file or folder, such as text:notes")
    path = expanded(argument)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UsageError(f"the file or folder {argument!r} does not exist; give text:PATH of one that does")
    return [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
    ]


def _text(content: bytes) -> Iterator[bytes]:
    if b"\x00" not in content[:8192]:
        yield content


def _blocks(path: Path) -> Iterator[bytes]:
    block, size = [], 0
    with path.open("rb") as file:
        while line := file.readline(LONGEST_LINE):
            block.append(line)
            size += len(line)
            if size >= BLOCK:
                yield from _text(b"".join(block))
                block, size = [], 0
    yield from _text(b"".join(block))


READER = Reader(example="text:PATH", documents=documents, files=files, size=size)
