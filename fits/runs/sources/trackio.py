"""trackio: the database of a project, `~/.cache/huggingface/trackio/PROJECT.db`."""

import json
from pathlib import Path

from fits.runs.sources.source import Run, Source, flat
from fits.runs.sources.sqlite import has_tables, rows


def _read(path: Path, content: bytes) -> list[Run]:
    """Return the configuration and the last value of every metric of each run."""
    runs: dict[str, Run] = {}
    for name, config in rows(path, "SELECT run_name, config FROM configs"):
        runs[name] = {"run": name, **flat(json.loads(config), "config.")}
    for name, step, metrics in rows(path, "SELECT run_name, step, metrics FROM metrics ORDER BY step, id"):
        runs[name] = runs.get(name, {"run": name}) | flat(json.loads(metrics)) | {"step": step}
    return list(runs.values())


SOURCE = Source(
    what="a project of trackio",
    files=("*.db",),
    is_log=lambda content: has_tables(content, b"metrics", b"configs", b"run_name"),
    read=_read,
)
