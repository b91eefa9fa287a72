"""What a source of runs is: a trainer, a logger or a project, the files that it writes, and its columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Run = dict[str, Any]
"""One run: column -> last value."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A trainer, a logger or a project that writes runs."""

    what: str
    """What it writes, in words that complete "this is ..."."""
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Our column -> its columns or formulas of them, the best first."""
    marks: tuple[str, ...] = ()
    """Columns that together occur in its tables alone; empty: its tables are not recognised by their columns."""
    files: tuple[str, ...] = ()
    """Patterns of the files that it writes, each for one run; searched for in a folder."""
    is_log: Callable[[bytes], bool] = lambda content: False
    """Whether the content of a file is its log."""
    read: Callable[[Path, bytes], list[Run]] | None = None
    """(path, content of the file) -> its runs. Raises ValueError for a file that is cut off or damaged."""
    training: tuple[str, ...] = ()
    """Columns that hold the loss of training batches and not of held-out text."""


def flat(values: Mapping[str, Any], prefix: str = "") -> Run:
    """Return nested mappings as one, with names such as `model.d_model`; lists are left out."""
    found: Run = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        elif isinstance(value, str | int | float | None):
            found[f"{prefix}{key}"] = value
    return found


def progress(step: float | None, steps: float | None) -> Run:
    """Return the columns that say how far a run came; a run short of its last step is unfinished."""
    if step is None or not steps:
        return {"step": step}
    return {"step": step, "steps": steps, "state": "finished" if step >= steps else "unfinished"}
