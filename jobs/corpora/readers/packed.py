"""Files that may be compressed, and text in any encoding that marks itself."""

import codecs
import gzip
from pathlib import Path
from typing import IO, cast

from planners.records.errors import need_packages

PACKED = (".gz", ".zst")
"""Suffixes of compressed files."""
MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
"""Byte order marks and their encodings; those of UTF-32 begin like those of UTF-16."""


def open_packed(path: Path) -> IO[bytes]:
    """Return a file open for reading bytes, decompressed. Raises UsageError where a package is missing."""
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    if path.suffix == ".zst":
        need_packages("reading .zst files", "pyarrow")
        import io

        import pyarrow  # type: ignore[import-untyped]

        return io.BufferedReader(pyarrow.input_stream(str(path), compression="zstd"))
    return path.open("rb")


def kind_of(path: Path) -> str:
    """Return the suffix of a file before it was compressed: .json for c4.json.gz."""
    return Path(path.stem).suffix if path.suffix in PACKED else path.suffix


def as_utf8(content: bytes) -> bytes:
    """Return text with a byte order mark as UTF-8 without it; other bytes as they are.

    Raises UnicodeDecodeError for a text that is not what its mark says.
    """
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding).encode()
    return content
