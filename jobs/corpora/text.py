"""Local text: a file, or every readable text file below a folder."""

from collections.abc import Iterator
from pathlib import Path

from planners.errors import UsageError

BLOCK = 4096
"""A single large file is cut into documents of about this many bytes at line ends, so that some can be held out."""


def documents(argument: str) -> Iterator[bytes]:
    """Yield the documents of the file or folder `argument`; files that are not text (hold a zero byte) are left out.

    Raises UsageError where the path is missing or cannot be read.
    """
    if not argument:
        raise UsageError("text: needs a file or folder, such as text:notes")
    path = Path(argument).expanduser()
    try:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts):
                    yield from _text(file.read_bytes())
        elif path.is_file():
            yield from _blocks(path)
        else:
            raise UsageError(f"there is no text file or folder {argument!r}; give text:PATH")
    except OSError as error:
        raise UsageError(f"{error.filename or argument} cannot be read ({error.strerror})") from error


def _text(content: bytes) -> Iterator[bytes]:
    if b"\x00" not in content[:8192]:
        yield content


def _blocks(path: Path) -> Iterator[bytes]:
    block, size = [], 0
    with path.open("rb") as file:
        for line in file:
            block.append(line)
            size += len(line)
            if size >= BLOCK:
                yield from _text(b"".join(block))
                block, size = [], 0
    yield from _text(b"".join(block))
