"""The keys of a Hugging Face config.json, checked as they are read."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from planners.architecture.shape import LARGEST
from planners.records.errors import UsageError

REQUIRED = object()
"""Default of a key that the library has no default for."""


class ConfigKeys:
    """A configuration in which absent keys have the library's defaults.

    Every reader raises UsageError, with the key and its value, for a value that no model can have.
    """

    def __init__(self, config: Mapping[str, Any], defaults: Mapping[str, Any], aliases: Mapping[str, str]) -> None:
        self._config, self._defaults, self._aliases = config, defaults, aliases
        self.assumed: dict[str, int] = {}
        """Sizes that were absent, with the defaults used instead."""

    def size(self, key: str, *, least: int = 1) -> int:
        """Return a whole number of at least `least`."""
        value = self._value(key)
        if type(value) is not int or not least <= value <= LARGEST:
            self.refuse(key, f"a whole number from {least} to {LARGEST}")
        return int(value)

    def optional(self, key: str) -> int | None:
        """Return a whole number of at least 1, or None where the key is null."""
        return None if self._value(key) is None else self.size(key)

    def flag(self, key: str) -> bool:
        """Return true or false."""
        value = self._value(key)
        if not isinstance(value, bool):
            self.refuse(key, "true or false")
        return bool(value)

    def layers(self, key: str) -> frozenset[int]:
        """Return a list of layer numbers; null is an empty list."""
        value = self._value(key)
        if value is not None and not (isinstance(value, list) and all(type(item) is int for item in value)):
            self.refuse(key, "a list of layer numbers")
        return frozenset(value or ())

    def refuse(self, key: str, expected: str) -> NoReturn:
        """Raise the error that says what a key must be."""
        raise UsageError(f"{key} is {_short(self._value(key))}, expected {expected}")

    def _value(self, key: str) -> Any:
        alias = self._aliases.get(key, key)
        if key != alias and {key, alias} <= self._config.keys() and self._config[key] != self._config[alias]:
            raise UsageError(f"{key} and {alias} are two names of one size but differ; remove one")
        for name in (key, alias):
            if name in self._config:
                return self._config[name]
        value = self._defaults[key]
        if value is REQUIRED:
            raise UsageError(f"{key} is missing, and the library has no default for it")
        if type(value) is int:
            self.assumed[key] = value
        return value


def _short(value: Any) -> str:
    """Return a value as JSON, at most 40 characters long."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = f"of type {type(value).__name__}"
    return text if len(text) <= 40 else f"{text[:37]}..."
