"""Each arm of a plan as a Hugging Face configuration."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from planners import RunSpec, UsageError
from planners.formats import to_hf
from planners.records.files import write_json


def configurations(runs: Iterable[RunSpec]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the configuration of each shape by the name of its folder, and a sentence for each that has none.

    Raises UsageError where no shape can be written.
    """
    shapes = {(run.shape, run.router): run for run in reversed(list(runs)) if run.role not in ("lr_check", "tuning")}
    found: dict[str, dict[str, Any]] = {}
    lacking: list[str] = []
    for run in reversed(shapes.values()):
        try:
            config = to_hf(run.shape, run.router)
        except UsageError as error:
            lacking.append(f"{run.arm}: {error}")
            continue
        name = re.sub(r"[^A-Za-z0-9.=_-]+", "-", run.arm)
        found[name if name not in found else f"{name}-{run.run_id}"] = config
    if not found:
        raise UsageError(f"nothing can be exported: {lacking[0] if lacking else 'there is no arm'}")
    return found, lacking


def write(folder: Path, configs: dict[str, dict[str, Any]]) -> None:
    """Write `folder`/ARM/config.json for each."""
    for name, config in configs.items():
        write_json(folder / name / "config.json", config)
