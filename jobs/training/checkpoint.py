"""Checkpoints: whole or absent, the newest valid one wins, and nothing in them is unpickled code."""

import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch

from planners.records.errors import UsageError
from planners.records.files import write_with

FORMAT = 3
"""Version of what a checkpoint holds; 3: weights of experts are (n_experts, out, in)."""
KEPT = 2
"""Newest checkpoints that are kept, so that one torn by a dying disk leaves another."""


def save(folder: Path, step: int, run_id: str, state: dict[str, Any]) -> None:
    """Write the state of a run after `step` steps; remove older checkpoints, and later ones, which could not be read.

    Raises OSError where the disk is full; the older checkpoints stay.
    """
    content = {"format": FORMAT, "run_id": run_id, "step": step, **state}
    path = folder / f"step-{step:09d}.pt"
    write_with(path, lambda file: _write(content, file))
    known = sorted(folder.glob("step-*.pt"))
    for other in [*known[: max(0, known.index(path) + 1 - KEPT)], *known[known.index(path) + 1 :]]:
        other.unlink(missing_ok=True)


def load_newest(folder: Path, run_id: str, *, mapped: bool = False) -> dict[str, Any] | None:
    """Return the newest state that can be read, in host memory, or None; a torn file is skipped with a warning.

    Processes of one machine share that memory where it is `mapped` from the file.
    Leftovers of a write that was killed are removed. Raises UsageError for the checkpoint of another run or version.
    """
    for leftover in folder.glob(".step-*"):
        leftover.unlink(missing_ok=True)
    for path in sorted(folder.glob("step-*.pt"), reverse=True):
        try:
            _check_sums(path)
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        except (OSError, torch.OutOfMemoryError):
            raise
        except (
            Exception
        ) as error:  # RuntimeError, EOFError, UnpicklingError …: what torch raises for torn and hostile files
            reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
            print(f"warning: {path} cannot be read and is skipped ({reason})", file=sys.stderr)
            continue
        if not isinstance(state, dict) or state.get("run_id") != run_id:
            raise UsageError(f"{path} is not a checkpoint of run {run_id}; remove it and the run starts anew")
        if state.get("format") != FORMAT:
            raise UsageError(
                f"{path} was written by another version of this program; remove it and the run starts anew"
            )
        return state
    return None


@contextmanager
def continued(run_id: str) -> Iterator[None]:
    """Turn what goes wrong while a state is put to use into a UsageError: it is readable, but not what was saved."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        reason = f"{type(error).__name__}: {str(error)[:120]}"
        raise UsageError(
            f"the newest checkpoint of run {run_id} is damaged ({reason}); remove it: the run goes on from an older one"
        ) from error


def _check_sums(path: Path) -> None:
    """Raise ValueError where a part of the file is not what was written: torch reads it without a look at its sums."""
    with zipfile.ZipFile(path) as archive:
        if (damaged := archive.testzip()) is not None:
            raise ValueError(f"checksum of {damaged} is wrong")


def _write(content: dict[str, Any], file: IO[bytes]) -> None:
    """Write with torch; its own error for a disk that is full does not say so, so the system's is passed on."""
    recorded = _RecordingFile(file)
    try:
        torch.save(content, recorded)  # type: ignore[arg-type]
    except RuntimeError as error:
        raise recorded.error or error from None


class _RecordingFile:
    """A file that remembers the error of a write."""

    def __init__(self, file: IO[bytes]):
        self.file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write, and remember the error if there is one."""
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        """Flush, likewise."""
        try:
            self.file.flush()
        except OSError as error:
            self.error = error
            raise
