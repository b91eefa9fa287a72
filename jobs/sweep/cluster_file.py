"""The user's own `cluster.toml`: partitions and accounts stand there, never in the toolkit. See docs/cluster.md."""

import os
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from jobs.sweep.cluster import Cluster
from planners.records.errors import UsageError
from planners.records.files import expanded
from planners.records.json import from_json

KEYS = tuple(
    "cluster" if field.name == "kind" else field.name for field in fields(Cluster) if field.name != "execution"
)


def cluster_file() -> Path | None:
    """Return the path of the user's file: `$SCALING_CLUSTER`, else scaling/cluster.toml in the user's configuration.

    None if no file is to be read: `$SCALING_CLUSTER` is empty, or the user has no home folder.
    """
    named = os.environ.get("SCALING_CLUSTER")
    if named is not None:
        return expanded(named) if named else None
    try:
        folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    except RuntimeError:  # as in containers
        return None
    return Path(folder) / "scaling" / "cluster.toml"


def read_cluster_file(profile: str | None = None) -> dict[str, Any]:
    """Return the settings of the user's file by field of `Cluster`; the keys of `profile` win over the common ones.

    Empty if there is no file. Raises UsageError for a file that cannot be read, an unknown key, a wrong value, or a
    profile that the file does not have.
    """
    path = cluster_file()
    if path is None or (not path.is_file() and "SCALING_CLUSTER" not in os.environ):
        if profile is not None:
            why = (
                f"{path} does not exist"
                if path
                else "SCALING_CLUSTER is empty or there is no home folder, so no file is read"
            )
            raise UsageError(f"profile {profile!r} cannot be used: {why}")
        return {}
    content = _read(path)
    profiles = {key: value for key, value in content.items() if isinstance(value, dict)}
    if profile is not None and profile not in profiles:
        known = f"it has {', '.join(profiles)}" if profiles else "it has no profiles"
        raise UsageError(f"{path} has no profile {profile!r}; {known}")
    common = {key: value for key, value in content.items() if key not in profiles}
    for where, settings in (("", common), *profiles.items()):
        _check(f"{path}{f' [{where}]' if where else ''}", settings)
    return _by_field({**common, **(profiles[profile] if profile else {})})


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f'{path} cannot be read as TOML ({reason}); write KEY = VALUE lines such as cluster = "slurm" and [PROFILE]'
            f" tables, with the keys {', '.join(KEYS)}"
        ) from None


def _check(where: str, settings: dict[str, Any]) -> None:
    for key in settings:
        if key not in KEYS:
            raise UsageError(f"{where}: {key!r} is not a key; the keys are {', '.join(KEYS)}")
    from_json(Cluster, _by_field(settings), where)


def _by_field(settings: dict[str, Any]) -> dict[str, Any]:
    return {"kind" if key == "cluster" else key: value for key, value in settings.items()}
