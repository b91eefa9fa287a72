"""Sources of runs: trainers, loggers and projects. A source is one file in this folder, which defines `SOURCE`.

rows = read_folder(Path("outputs"))  # one run a row, of every log below the folder
columns, remarks = known_columns(rows.rows, rows.source)
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from fits.runs.columns.cells import is_missing
from fits.runs.columns.formula import parse_formula
from fits.runs.rows import Rows
from fits.runs.sources.source import Run, Source
from planners.records.errors import UsageError
from planners.records.registry import look_up

SOURCES: dict[str, Source] = {
    name.replace("_", "-"): import_module(f"{__name__}.{name}").SOURCE
    for name in (
        "wandb",
        "mlflow",
        "trackio",
        "tensorboard",
        "hf_trainer",
        "llama_factory",
        "megatron",
        "torchtitan",
        "olmo_core",
        "nanochat",
        "marin",
        "levanter",
        "isoflop_experiments",
    )
}
"""Name for `--from` -> the source."""
_PREFIXES = ("", "summary.", "metrics.", "summary_metrics.", "config.", "params.")
"""What loggers write before the name of a metric or a setting when they export it."""


def read_log(path: Path, content: bytes) -> Rows | None:
    """Return the runs of a log file; None if its content is that of no source. Raises UsageError if it is damaged."""
    name = next((name for name, source in SOURCES.items() if source.is_log(content)), None)
    return None if name is None else _rows(name, [(path, content)], path.parent.parent)


def read_folder(folder: Path, name: str | None = None) -> Rows:
    """Return the runs of every log below a folder, one a row: of the source `name`, or of the first that wrote one.

    Several files of one run, such as its checkpoints, are joined. Raises UsageError for a folder without logs.
    """
    named = {name: look_up(SOURCES, name, "source")} if name else SOURCES
    for each, source in named.items():
        paths = sorted({path for pattern in source.files for path in folder.rglob(pattern) if path.is_file()})
        contents = ((path, path.read_bytes()) for path in paths)
        logs = [(path, content) for path, content in contents if source.is_log(content)]
        if logs:
            return _rows(each, logs, folder)
    writers = [each for each, source in named.items() if source.files]
    files = ", ".join(dict.fromkeys(pattern for each in writers for pattern in SOURCES[each].files))
    if not writers:
        raise UsageError(f"{folder} is a directory, but {name} writes tables; give the file")
    raise UsageError(
        f"the directory {folder} holds no log of {', '.join(writers)} ({files}); give a table or such logs"
    )


def known_columns(runs: Sequence[Run], name: str | None, given: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return our column -> theirs for runs of the source `name`, and what to say about it, one sentence each.

    Without a name the source is recognised by its columns; then a column of the table that has our name stays as it
    is. What the user gave in `given` comes first.
    """
    stated = {column for run in runs for column, cell in run.items() if not is_missing(cell)}
    there = list(dict.fromkeys(column for run in runs for column in run if column in stated))
    name = name or _recognised(there)
    if name is None:
        return dict(given), []
    source = look_up(SOURCES, name, "source")
    found = {ours: _first(theirs, there) for ours, theirs in source.columns.items() if ours not in given}
    columns = {ours: theirs for ours, theirs in found.items() if theirs and theirs != ours}
    said = ", ".join(f"{ours}={theirs}" for ours, theirs in columns.items())
    remarks = [f"this is {source.what} (--from {name})" + (f", read with --columns '{said}'" if said else "")]
    loss = columns.get("loss", given.get("loss", "loss"))
    if any(loss == prefix + column for column in source.training for prefix in _PREFIXES):
        remarks.append(f"{loss} is the loss of the last training batches, which is noisy; name a validation loss")
    return {**columns, **given}, remarks


def _recognised(names: Sequence[str]) -> str | None:
    """Return the first source all of whose marks are columns of the table."""
    marked = ((name, source.marks) for name, source in SOURCES.items() if source.marks)
    return next((name for name, marks in marked if all(_first([mark], names) for mark in marks)), None)


def _first(formulas: Iterable[str], names: Sequence[str]) -> str | None:
    """Return the first formula all of whose columns the table has, with the prefix of its logger."""
    for text in (f"{prefix}{text}" for text in formulas for prefix in _PREFIXES):
        try:
            parse_formula(text, names)
        except UsageError:
            continue
        return text
    return None


def _rows(name: str, logs: Iterable[tuple[Path, bytes]], root: Path) -> Rows:
    """Return one row a run; a later part of a run replaces what an earlier one states."""
    source, joined = SOURCES[name], dict[Any, Run]()
    for path, content in logs:
        for run in _read(source, path, content):
            key = run.get("run_id") or run["run"]
            before = joined.get(key, {})
            pair = (run, before) if (before.get("step") or 0) > (run.get("step") or 0) else (before, run)
            joined[key] = {**pair[0], **{column: cell for column, cell in pair[1].items() if cell is not None}}
    rows = [run | {"run": _short(run["run"], root)} for run in joined.values()]
    what = f"{source.what}: the last value of each metric of {len(rows)} runs was read"
    if len(rows) == 1:
        what = f"{source.what}, one run, but one run a row is wanted: give the folder that holds the logs of all runs"
    return Rows(rows=rows, what=what, source=name)


def _read(source: Source, path: Path, content: bytes) -> list[Run]:
    assert source.read is not None
    try:
        return source.read(path, content)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise UsageError(f"{path} cannot be read as {source.what} ({str(error)[:80]})") from error


def _short(run: Any, root: Path) -> Any:
    """Return the path of a run as seen from `root`; a name stays as it is."""
    inside = isinstance(run, str) and Path(run).is_relative_to(root)
    return os.path.relpath(run, root) if inside else run
