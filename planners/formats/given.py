"""The keys of a Hugging Face configuration, checked as they are read."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from planners.architecture.shape import LARGEST
from planners.records.errors import UsageError

REQUIRED = object()
"""Default of a key whose absence the library does not make up for."""


class Given:
    """A configuration whose absent keys have the defaults of the library.

    Raises UsageError that names the key and its value for what no model can have.
    """

    def __init__(self, config: Mapping[str, Any], defaults: Mapping[str, Any], aliases: Mapping[str, str]) -> None:
        self._config, self._defaults, self._aliases = config, defaults, aliases
        self.assumed: dict[str, int] = {}
        """Sizes that were absent and the defaults that stand in for them."""

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
        """Return a truth value."""
        value = self._value(key)
        if not isinstance(value, bool):
            self.refuse(key, "true or false")
        return bool(value)

    def layers(self, key: str) -> frozenset[int]:
        """Return a list of layer numbers; null is an empty one."""
        value = self._value(key)
        if value is not None and not (isinstance(value, list) and all(type(item) is int for item in value)):
            self.refuse(key, "a list of layer numbers")
        return frozenset(value or ())

    def head_dim(self) -> int:
        """Return `head_dim`, or where it is null the width of the model over its heads, rounded down by the library."""
        return self.optional("head_dim") or self.size("hidden_size") // self.size("num_attention_heads")

    def width_of_heads(self, width: str, heads: str) -> int:
        """Return the width of the model over its heads, for a family that refuses to round it."""
        if self.size(width) % self.size(heads):
            self.refuse(width, f"a multiple of {heads} {self.size(heads)}")
        return self.size(width) // self.size(heads)

    def refuse(self, key: str, expected: str) -> NoReturn:
        """Raise the error that says what was expected of a key."""
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
    """Return a value as its file has it, cut where it is long."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = f"of type {type(value).__name__}"
    return text if len(text) <= 40 else f"{text[:37]}..."
