"""Local text: a file, or every text file below a folder."""

import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from jobs.corpora.left_out import LeftOut
from jobs.corpora.readers.packed import MARKS, as_utf8, open_packed
from jobs.corpora.readers.reader import Reader
from planners.records.errors import UsageError
from planners.records.files import expanded

BLOCK = 4096
"""A single file is cut at line ends into documents of about this many bytes, so that some can be held out."""
LONGEST_LINE = 2**24
"""Longest line in bytes; a longer one is cut, so that memory stays bounded."""


def documents(argument: str) -> Iterator[bytes | LeftOut]:
    """Yield the documents of the file or folder `argument`, decompressed and as UTF-8 where a byte order mark says how.

    Documents with a zero byte are not text and are left out. Raises UsageError if the path is missing or unreadable.
    """
    try:
        path = expanded(argument)
        if path.is_file() and not _is_marked(path):
            yield from _blocks(path)
        else:
            for file in files(argument):
                with open_packed(file) as content:
                    yield from (_cut(content.read()) if path.is_file() else _text(content.read()))
    except (OSError, EOFError, zlib.error) as error:
        named = getattr(error, "filename", None) or argument
        raise UsageError(f"{named} cannot be read ({getattr(error, 'strerror', None) or error})") from error


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


def _is_marked(path: Path) -> bool:
    """Return whether a file begins with a byte order mark; its lines cannot be cut before it is decoded."""
    with open_packed(path) as file:
        start = file.read(4)
    return any(start.startswith(mark) for mark, _ in MARKS)


def _text(content: bytes) -> Iterator[bytes | LeftOut]:
    try:
        content = as_utf8(content)
    except UnicodeDecodeError:
        yield LeftOut.NOT_DECODED
        return
    yield LeftOut.BINARY if b"\x00" in content[:8192] else content


def _cut(content: bytes) -> Iterator[bytes | LeftOut]:
    """Yield a decoded file in blocks."""
    for text in _text(content):
        if isinstance(text, LeftOut):
            yield text
        else:
            yield from _of_lines(io.BytesIO(text))


def _blocks(path: Path) -> Iterator[bytes | LeftOut]:
    with open_packed(path) as file:
        yield from _of_lines(file)


def _of_lines(file: IO[bytes]) -> Iterator[bytes | LeftOut]:
    block, size = [], 0
    while line := file.readline(LONGEST_LINE):
        block.append(line)
        size += len(line)
        if size >= BLOCK:
            yield from _text(b"".join(block))
            block, size = [], 0
    yield from _text(b"".join(block))


READER = Reader(example="text:PATH", documents=documents, files=files, size=size)
