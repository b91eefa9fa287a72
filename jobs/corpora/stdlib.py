"""The running Python's own standard library: about 12 MB of real text on every machine (PSF-2.0), read in place."""

import sysconfig
from collections.abc import Iterator
from pathlib import Path

from planners.records.errors import UsageError

OPTIONS: tuple[str, ...] = ()
LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}


def documents(argument: str) -> Iterator[bytes]:
    """Yield the sources without test folders and installed packages, in the order of their paths."""
    for path in files(argument):
        yield path.read_bytes()


def size(argument: str) -> int:
    """Return how many bytes there are to read."""
    return sum(file.stat().st_size for file in files(argument))


def files(argument: str) -> list[Path]:
    """Return the source files. Raises UsageError for an argument, which this corpus does not take."""
    if argument:
        raise UsageError(f"the corpus stdlib takes no argument, not {argument!r}")
    root = Path(sysconfig.get_paths()["stdlib"])
    found = []
    for path in sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).as_posix()):
        below = path.relative_to(root).parts
        # _sysconfigdata holds the paths of the machine that built Python, so it would change the fingerprint
        if not LEFT_OUT.intersection(below) and not below[-1].startswith("_sysconfigdata"):
            found.append(path)
    return found
