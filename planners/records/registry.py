"""The one way in which the toolkit names things: a mapping from a name to a thing, one line for each thing."""

from collections.abc import Mapping
from typing import TypeVar

from planners.records.errors import UsageError

Thing = TypeVar("Thing")


def look_up(registry: Mapping[str, Thing], name: str, kind: str) -> Thing:
    """Return the thing called `name`. Raises UsageError that lists the known names; `kind` says what they name."""
    if name not in registry:
        raise UsageError(f"{kind} {name!r} is not one of {', '.join(registry)}")
    return registry[name]
