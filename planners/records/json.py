"""Records: frozen keyword-only dataclasses with a strict JSON round trip, and their canonical hash.

Standard library only: the training modules must run where only torch and numpy are installed.
"""

import dataclasses
import enum
import hashlib
import json
import math
import re
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from functools import cache
from typing import Any, TypeVar

from planners.records.errors import UsageError

Record = TypeVar("Record")


CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters but tab and newline, which a terminal may obey and XML forbids, and halves of surrogate pairs."""
IN_MEMORY = types.MappingProxyType({"stored": False})
"""Metadata of a field that is not written to JSON: what a result rests on, such as its runs."""
_PLAIN = (str, int, bool, type(None))


def inert(text: str) -> str:
    """Return a text of somebody else with each control character spelled out, so that no terminal obeys it.

    >>> inert("a\x1b[31mb")
    'a\\\\x1b[31mb'
    """
    return text if text.isprintable() else CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


@cache
def _fields(cls: Any) -> tuple[tuple[str, Any], ...]:
    """Return (name, default) of each field that is stored; () for a class that is not a record."""
    if not is_dataclass(cls):
        return ()
    return tuple((field.name, field.default) for field in dataclasses.fields(cls) if field.metadata != IN_MEMORY)


def to_json(value: Any) -> Any:
    """Return `value` as JSON types: records are objects, tuples lists, enum members their values, NaN and inf null."""
    kind: Any = type(value)
    if kind in _PLAIN:
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if fields := _fields(kind):
        return {name: to_json(getattr(value, name)) for name, _ in fields}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return value.value if isinstance(value, enum.Enum) else value


@cache
def _typed_fields(cls: Any) -> dict[str, tuple[Any, bool]]:
    """Return name -> (type, whether it must be given) of each field that is stored."""
    hints = typing.get_type_hints(cls)
    missing = dataclasses.MISSING
    return {
        field.name: (hints[field.name], field.default is missing and field.default_factory is missing)
        for field in dataclasses.fields(cls)
        if field.metadata != IN_MEMORY
    }


@cache
def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return typing.get_origin(hint), typing.get_args(hint)


def from_json(cls: type[Record], data: Any, where: str = "record") -> Record:
    """Build the record `cls` from JSON `data`; `where` names the source in messages.

    Raises UsageError that names the field for a missing or unknown field and for a value of the wrong type.
    """
    if not isinstance(data, dict):
        raise UsageError(f"{where}: expected an object with the fields of {cls.__name__}")
    kind: Any = cls
    fields = _typed_fields(kind)
    if unknown := data.keys() - fields.keys():
        raise UsageError(f"{where}: unknown field {min(unknown)!r} (written by another version?)")
    values = {}
    for name, (hint, is_required) in fields.items():
        if name in data:
            value = data[name]
            # most values have exactly the type of their field, and need neither a look at it nor a text for an error
            same = type(value) is hint and hint is not str
            values[name] = value if same else _value(hint, value, f"{where}: field {name!r}")
        elif is_required:
            raise UsageError(f"{where}: field {name!r} is missing (written by another version? make it again)")
    return cls(**values)


def _value(hint: Any, data: Any, where: str) -> Any:
    """Return `data` as the type `hint`. Containers and unions are followed; all else must match exactly."""
    if type(data) is str and hint in (str, Any):
        return inert(data)
    if type(data) is hint or hint is Any:
        return data
    origin, arguments = _parts(hint)
    if origin in (typing.Union, types.UnionType):
        return _one_of(arguments, data, where)
    if origin is tuple and isinstance(data, list):
        return tuple(_value(arguments[0], item, where) for item in data)
    if origin is dict and isinstance(data, dict):
        return {inert(key): _value(arguments[1], item, where) for key, item in data.items()}
    if dataclasses.is_dataclass(hint):
        return from_json(hint, data, where)  # type: ignore[arg-type]
    if hint is float and type(data) is int and abs(data) < 10**300:
        return float(data)
    if isinstance(hint, enum.EnumType) and type(data) in (int, str) and data in hint._value2member_map_:
        return hint(data)
    raise UsageError(f"{where} is {json.dumps(data, default=str)[:40]}, expected {getattr(hint, '__name__', hint)}")


def _one_of(hints: tuple[Any, ...], data: Any, where: str) -> Any:
    """Return `data` as the first type that fits. Raises UsageError with the complaint of the first type."""
    if data is None and type(None) in hints:
        return None
    complaint: UsageError | None = None
    for hint in hints:
        if hint is not type(None):
            try:
                return _value(hint, data, where)
            except UsageError as error:
                complaint = complaint or error
    raise complaint or UsageError(f"{where} must be null")


def without_defaults(record: Any) -> dict[str, Any]:
    """Return the fields of `record`, and of nested records, that differ from their defaults, as JSON.

    Run ids hash this and not the whole record. A field that is added later, with a default that keeps the old
    behaviour, then leaves the ids of old records unchanged. For the same reason a default must never change.
    """
    kept = {}
    kind: Any = type(record)
    for name, default in _fields(kind):
        value = getattr(record, name)
        if default is dataclasses.MISSING or value != default:
            inner: Any = type(value)
            kept[name] = without_defaults(value) if _fields(inner) else to_json(value)
    return kept


def bytes_hash(data: bytes, length: int = 16) -> str:
    """Return the first `length` hexadecimal digits of the sha256 of `data`."""
    return hashlib.sha256(data).hexdigest()[:length]


def content_hash(data: Any, length: int = 12) -> str:
    """Return the first `length` hexadecimal digits of the sha256 of `data` as canonical JSON."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return bytes_hash(text.encode(), length)


OUTCOME = ("run_id", "arm", "state", "loss")
"""Columns of a table of runs that say what fits were made from: a run's id is a hash of all that determines it."""


def outcome_hash(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a hash of what runs came to, whatever their order and other columns, such as those of a newer version."""
    parts = [[str(row[name]) for name in OUTCOME[:3]] + [repr(float(row["loss"] or "nan"))] for row in rows]
    return bytes_hash(repr(sorted(parts)).encode())
