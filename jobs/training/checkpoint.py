"""Checkpoints: whole or absent, the newest valid one wins, and nothing in them is unpickled code."""

import sys
from pathlib import Path
from typing import Any

import torch

from planners.errors import UsageError
from planners.files import write_with

KEPT = 2
"""Newest checkpoints that are kept, so that one torn by a dying disk leaves another."""


def save(folder: Path, step: int, run_id: str, state: dict[str, Any]) -> None:
    """Write the state of a run after `step` steps, then remove all but the newest checkpoints."""
    content = {"run_id": run_id, "step": step, **state}
    write_with(folder / f"step-{step:09d}.pt", lambda file: torch.save(content, file))
    for old in sorted(folder.glob("step-*.pt"))[:-KEPT]:
        old.unlink(missing_ok=True)


def load_newest(folder: Path, run_id: str, device: torch.device) -> dict[str, Any] | None:
    """Return the newest state that can be read, or None; a torn file is skipped with a warning.

    Raises UsageError for the checkpoint of another run.
    """
    for path in sorted(folder.glob("step-*.pt"), reverse=True):
        try:
            state = torch.load(path, map_location=device, weights_only=True)
        except Exception as error:  # torch raises RuntimeError, EOFError, UnpicklingError … for torn and hostile files
            reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
            print(f"warning: {path} cannot be read and is skipped ({reason})", file=sys.stderr)
            continue
        if not isinstance(state, dict) or state.get("run_id") != run_id:
            raise UsageError(f"{path} is not a checkpoint of run {run_id}; remove it and the run starts anew")
        return state
    return None
