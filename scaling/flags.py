"""Flags as data: a verb lists its flags in a table, adds them to its parser, and gets the values that were given."""

import argparse
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


def as_written(given: Any, flag: str) -> Any:
    """Return what was given as it is."""
    return given


@dataclass(frozen=True, kw_only=True)
class Flag:
    """A flag that sets one field. It has no default of its own, so only flags that were given set anything."""

    name: str
    """Name without the dashes."""
    help: str
    """Text of the help."""
    sets: str = ""
    """Field that it sets; empty for the name with underscores."""
    read: Callable[[Any, str], Any] = as_written
    """(what was given, flag) -> value. Raises UsageError for what it cannot read."""
    metavar: str | None = None
    """Placeholder of the value in the help."""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Other arguments of `add_argument`."""

    @property
    def field(self) -> str:
        """The field that it sets."""
        return self.sets or self.name.replace("-", "_")


def add_flags(parser: argparse._ActionsContainer, flags: Iterable[Flag]) -> None:
    """Add the flags to the parser."""
    for flag in flags:
        shown = {} if flag.metavar is None else {"metavar": flag.metavar}
        parser.add_argument(f"--{flag.name}", **{"default": None, "help": flag.help, **shown, **flag.extra})


def values(parsed: argparse.Namespace, flags: Iterable[Flag]) -> dict[str, Any]:
    """Return the values of the flags that were given, by field. Raises UsageError for one that cannot be read."""
    given = [(flag, getattr(parsed, flag.name.replace("-", "_"))) for flag in flags]
    return {flag.field: flag.read(text, f"--{flag.name}") for flag, text in given if text is not None}


SWITCH = {"action": "store_true"}
"""`extra` of a flag without a value."""
REPEATED = {"action": "append"}
"""`extra` of a flag that may be repeated; it is given a list."""
