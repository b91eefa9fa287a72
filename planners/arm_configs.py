"""The arms of a plan as Hugging Face configurations."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planners.formats import to_hf
from planners.records.errors import UsageError
from planners.records.files import write_json
from planners.spec import RunSpec


@dataclass(frozen=True, kw_only=True)
class ArmConfigs:
    """The configuration of each arm, and the arms that have none."""

    configs: dict[str, dict[str, Any]]
    """Name of the arm's folder -> content of its config.json."""
    lacking: tuple[str, ...]
    """One sentence for each arm that no configuration can express."""

    def write(self, folder: str | Path) -> tuple[Path, ...]:
        """Write `folder`/ARM/config.json for each arm and return the paths."""
        paths = {Path(folder) / name / "config.json": config for name, config in self.configs.items()}
        Path(folder).mkdir(parents=True, exist_ok=True)
        for path, config in paths.items():
            write_json(path, config)
        return tuple(paths)


def arm_configs(runs: Iterable[RunSpec]) -> ArmConfigs:
    """Return one configuration for each shape and router among `runs`; learning-rate checks and tuning are left out.

    Raises UsageError if no arm can be expressed.

    >>> plan = make_plan(replace(preset("smoke"), data=None))
    >>> sorted(arm_configs(plan.runs).configs)
    ['K1', 'K16', 'K4', 'dense']
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
        raise UsageError(f"nothing can be exported: {lacking[0] if lacking else 'the plan has no arm'}")
    return ArmConfigs(configs=found, lacking=tuple(lacking))
