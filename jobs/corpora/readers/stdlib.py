"""The standard library of the running Python: about 12 MB of real text on every machine (PSF-2.0), read in place."""

import sysconfig
from collections.abc import Iterator
from pathlib import Path

from jobs.corpora.readers.reader import Reader
from planners.records.errors import UsageError

EXCLUDED = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}
"""Folders that are not read."""


def documents(argument: str) -> Iterator[bytes]:
    """Yield the source files in the order of their paths, without tests and installed packages."""
    for path in files(argument):
        yield path.read_bytes()


def size(argument: str) -> int:
    """Return the bytes to read."""
    return sum(file.stat().st_size for file in files(argument))


def files(argument: str) -> list[Path]:
    """Return the source files. Raises UsageError for an argument: this corpus accepts none."""
    if argument:
        raise UsageError(f"the corpus stdlib accepts no argument, but got {argument!r}; write stdlib alone")
    root = Path(sysconfig.get_paths()["stdlib"])
    found = []
    for path in sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).as_posix()):
        below = path.relative_to(root).parts
        # _sysconfigdata holds paths of the machine that built Python, which would change the fingerprint
        if not EXCLUDED.intersection(below) and not below[-1].startswith("_sysconfigdata"):
            found.append(path)
    return found


READER = Reader(example="stdlib", documents=documents, files=files, size=size)
