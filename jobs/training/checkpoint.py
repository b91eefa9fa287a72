"""Checkpoints: each is whole or absent, the newest valid one is used, and loading one executes no code."""

import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import torch

from planners.records.errors import UsageError
from planners.records.files import write_with

FORMAT = 4
"""Version of the content of a checkpoint. 3: weights of experts are (n_experts, out, in); 4: `up_proj`, `down_proj`."""
KEPT = 2
"""Number of newest checkpoints that are kept: if a failing disk tears one, another remains."""


def save(folder: Path, step: int, run_id: str, state: dict[str, Any]) -> None:
    """Write the state of a run after `step` steps, then remove all but the `KEPT` newest checkpoints up to this one.

    Raises OSError if the disk is full; the older checkpoints stay.
    """
    content = {"format": FORMAT, "run_id": run_id, "step": step, **state}
    path = folder / f"step-{step:09d}.pt"
    # A temporary file is written, synced to the disk and renamed. Only then is it safe to remove older checkpoints.
    write_with(path, lambda file: _write(content, file))
    # Later checkpoints were unreadable, or this run would have continued from them. They would win at the next load.
    known = sorted(folder.glob("step-*.pt"))
    for other in [*known[: max(0, known.index(path) + 1 - KEPT)], *known[known.index(path) + 1 :]]:
        other.unlink(missing_ok=True)


def keep(folder: Path, name: str, step: int, run_id: str, weights: dict[str, Any]) -> None:
    """Write the weights of a run after `step` steps as `name`.pt, next to its checkpoints, which never replace it."""
    content = {"format": FORMAT, "run_id": run_id, "step": step, "model": weights}
    write_with(folder / f"{name}.pt", lambda file: _write(content, file))


def load_kept(folder: Path, name: str) -> dict[str, Any] | None:
    """Return what `keep` wrote: format, run_id, step and model; None where there is no such file."""
    path = folder / f"{name}.pt"
    if not path.is_file():
        return None
    kept: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return kept


def load_newest(folder: Path, run_id: str, *, mapped: bool = False) -> dict[str, Any] | None:
    """Return the newest readable state, in host memory, or None; a torn file is skipped with a warning.

    If `mapped`, tensors are mapped from the file, so the processes of one machine share their memory.
    Removes leftovers of writes that were killed. Raises UsageError for a checkpoint of another run or version.
    """
    for leftover in folder.glob(".step-*"):
        leftover.unlink(missing_ok=True)
    for path in sorted(folder.glob("step-*.pt"), reverse=True):
        try:
            _check_sums(path)
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        except (OSError, torch.OutOfMemoryError):  # the file may be fine: an older one would lose work
            raise
        except Exception as error:  # torch raises many types for torn and hostile files
            reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
            print(f"warning: {path} cannot be read and is skipped ({reason})", file=sys.stderr)
            continue
        if not isinstance(state, dict) or state.get("run_id") != run_id:
            raise UsageError(f"{path} is not a checkpoint of run {run_id}; remove it, and the run starts anew")
        if state.get("format") != FORMAT:
            raise UsageError(
                f"{path} was written by another version of this program; remove it, and the run starts anew"
            )
        return state
    return None


@contextmanager
def continued(run_id: str) -> Iterator[None]:
    """Turn errors in restoring a state into a UsageError: the file is readable, but its content is damaged."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        reason = f"{type(error).__name__}: {str(error)[:120]}"
        raise UsageError(
            f"the newest checkpoint of run {run_id} is damaged ({reason}); remove it, and the run resumes from an older"
            " one"
        ) from error


def _check_sums(path: Path) -> None:
    """Raise ValueError if a checksum of the file is wrong; torch.load does not check them."""
    with zipfile.ZipFile(path) as archive:
        if (damaged := archive.testzip()) is not None:
            raise ValueError(f"checksum of {damaged} is wrong")


def _write(content: dict[str, Any], file: IO[bytes]) -> None:
    """Write with torch. Its error for a full disk does not say so; the system's error is raised instead."""
    recorded = _RecordingFile(file)
    try:
        torch.save(content, recorded)  # type: ignore[arg-type]
    except RuntimeError as error:
        raise recorded.error or error from None


class _RecordingFile:
    """A file that remembers its latest error."""

    def __init__(self, file: IO[bytes]):
        self.file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write, and remember an error."""
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        """Flush, and remember an error."""
        try:
            self.file.flush()
        except OSError as error:
            self.error = error
            raise
