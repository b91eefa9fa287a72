"""`error.txt` of a run: the traceback of its last error, and the error itself as the last line.

Processes of one run tell each other through it why they ended: the others only see that a process is gone.
"""

import traceback
from pathlib import Path

from planners.records.files import write_text


def first_line(error: Exception) -> str:
    """Return an error as one line of at most about 300 characters."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"


def write_error(folder: Path, error: Exception) -> None:
    """Write the traceback of the exception being handled, then its first line: GPU errors have many lines."""
    write_text(folder / "error.txt", f"{traceback.format_exc()}\n{first_line(error)}\n")


def read_error(folder: Path) -> str | None:
    """Return the last line of `error.txt`, or None without such a file."""
    try:
        return (folder / "error.txt").read_text().strip().splitlines()[-1][:300]
    except (OSError, IndexError):
        return None


def remove_error(folder: Path) -> None:
    """Remove the error of an earlier attempt."""
    (folder / "error.txt").unlink(missing_ok=True)
