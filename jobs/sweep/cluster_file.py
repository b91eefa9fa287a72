"""The user's own file of cluster settings: partitions and accounts live there, never in the toolkit.

`$SCALING_CLUSTER`, or scaling/cluster.toml in the user's configuration folder. Keys are the fields of `Cluster`
(and `cluster` for its kind); a table is a profile, whose keys win over those above it:

    cluster = "slurm"
    account = "me"
    setup = ["module load cuda"]
    [short]
    partition = "short"
    timeout_min = 30
"""

import os
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from jobs.sweep.cluster import Cluster
from planners.records.errors import UsageError
from planners.records.json import from_json

KEYS = tuple(
    "cluster" if field.name == "kind" else field.name for field in fields(Cluster) if field.name != "execution"
)


def profile_path() -> Path | None:
    """Return where the user's file is looked for; None where $SCALING_CLUSTER is empty, which means no file."""
    named = os.environ.get("SCALING_CLUSTER")
    if named is not None:
        return Path(named).expanduser() if named else None
    folder = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(folder) / "scaling" / "cluster.toml"


def read_profile(name: str | None = None) -> dict[str, Any]:
    """Return the settings of the user's file, with those of the profile `name`, by field of `Cluster`.

    Nothing where there is no file. Raises UsageError for a file that cannot be read, a key or value that is none, and
    a profile that is not in it.
    """
    path = profile_path()
    if path is None or (not path.is_file() and "SCALING_CLUSTER" not in os.environ):
        if name is not None:
            raise UsageError(f"there is no profile {name!r}: {path or 'a file of settings'} does not exist")
        return {}
    content = _read(path)
    profiles = {key: value for key, value in content.items() if isinstance(value, dict)}
    if name is not None and name not in profiles:
        raise UsageError(f"{path} has no profile {name!r}; it has {', '.join(profiles) or 'none'}")
    common = {key: value for key, value in content.items() if key not in profiles}
    for where, settings in (("", common), *profiles.items()):
        _check(f"{path}{f' [{where}]' if where else ''}", settings)
    return _by_field({**common, **(profiles[name] if name else {})})


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{path} cannot be read as TOML ({reason}); see jobs/profile.py for an example") from None


def _check(where: str, settings: dict[str, Any]) -> None:
    for key in settings:
        if key not in KEYS:
            raise UsageError(f"{where}: {key!r} is not one of {', '.join(KEYS)}")
    from_json(Cluster, _by_field(settings), where)


def _by_field(settings: dict[str, Any]) -> dict[str, Any]:
    return {"kind" if key == "cluster" else key: value for key, value in settings.items()}
