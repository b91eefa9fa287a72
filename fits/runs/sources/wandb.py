"""Weights & Biases: the log of a run in a folder `wandb` (`run-*.wandb`), offline runs included.

Tables that its page exports, of runs or of a chart, are read as any table is. A log holds records in blocks of 32 KiB:
checksum (4 bytes), length (2), kind (1), part of a message `Record` (wandb/proto/wandb_internal.proto).
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fits.runs.sources.source import Run, Source, flat
from fits.runs.sources.wire import Value, fields, messages, texts

_BLOCK, _HEADER = 32768, 7
_FIRST, _WHOLE, _LAST = 2, 1, 4
_HISTORY, _SUMMARY, _CONFIG, _RUN, _EXIT = 2, 3, 5, 17, 18
_KEY, _NESTED, _JSON = 1, 2, 16


def _is_log(content: bytes) -> bool:
    return content.startswith(b":W&B")


def _records(content: bytes) -> Iterator[bytes]:
    """Yield the messages, joined where they were split; what was cut off at the end is left out."""
    at, parts = _HEADER, b""
    while at + _HEADER <= len(content):
        left = _BLOCK - at % _BLOCK
        if left < _HEADER:
            at += left
            continue
        length, kind = struct.unpack_from("<HB", content, at + 4)
        part = content[at + _HEADER : at + _HEADER + length]
        if len(part) < length:
            return
        at += _HEADER + length
        parts = part if kind in (_WHOLE, _FIRST) else parts + part
        if kind in (_WHOLE, _LAST):
            yield parts


def _items(message: bytes, number: int) -> Run:
    """Return the items of a configuration, a summary or a line of history: name -> value."""
    found: Run = {}
    for item in messages(message, number):
        name = ".".join(texts(item, _NESTED)) or "".join(texts(item, _KEY))
        found[name] = _value(dict(fields(item)))
    return flat(found)


def _value(item: dict[int, Value]) -> Any:
    """Return the value of an item: typed (an integer, a number or a text), or as JSON."""
    if (number := item.get(6)) is not None and isinstance(number, bytes):
        return struct.unpack("<d", number)[0]
    if (integer := item.get(5)) is not None and isinstance(integer, int):
        return integer - (1 << 64) if integer >> 63 else integer
    text = item.get(_JSON, item.get(8))
    return json.loads(text) if isinstance(text, bytes) and text else None


def _read(path: Path, content: bytes) -> list[Run]:
    """Return the configuration and the last value of every metric; a run without an exit is still running."""
    run: Run = {"run": str(path.parent), "state": "running"}
    for record in _records(content):
        for kind, message in fields(record):
            if isinstance(message, bytes):
                run |= _columns(kind, message)
    return [{name: value for name, value in run.items() if not name.startswith(("_", "config._"))}]


def _columns(kind: int, message: bytes) -> Run:
    """Return the columns that one record gives."""
    if kind == _RUN:
        uuid = "".join(texts(message, 1))
        named: Run = {"run_id": uuid, "run": "".join(texts(message, 8)) or uuid}
        return named | {
            f"config.{name}": value for each in messages(message, 4) for name, value in _items(each, 1).items()
        }
    if kind == _CONFIG:
        return {f"config.{name}": value for name, value in _items(message, 1).items()}
    if kind in (_HISTORY, _SUMMARY):
        return {name: value for name, value in _items(message, 1).items() if value is not None}
    if kind == _EXIT:
        return {"state": "crashed" if dict(fields(message)).get(1) else "finished"}
    return {}


SOURCE = Source(what="runs of Weights & Biases", files=("run-*.wandb",), is_log=_is_log, read=_read)
