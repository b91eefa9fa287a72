"""TensorBoard: event files, `events.out.tfevents.*`. A run is a folder.

A file holds records: length (8 bytes), checksum (4), an `Event` message, checksum (4). The scalars of each event are
read: `simple_value`, or a tensor of one number (tensorflow/core/util/event.proto, core/framework/summary.proto).
"""

import struct
from collections.abc import Iterator
from pathlib import Path

from fits.runs.sources.source import Run, Source
from fits.runs.sources.wire import fields, messages, texts

_STEP, _SUMMARY, _VALUE, _TAG, _SIMPLE, _TENSOR = 2, 5, 1, 1, 2, 8
_NUMBERS = {5: "<f", 6: "<d"}
"""Field of a tensor that holds its numbers -> their format."""
_CONTENT = 4
"""Field of a tensor that holds its numbers as raw bytes."""


def _is_log(content: bytes) -> bool:
    return len(content) > 24 and b"brain.Event:" in content[:40]


def _records(content: bytes) -> Iterator[bytes]:
    """Yield the messages; a last record that was cut off is left out."""
    at = 0
    while at + 12 <= len(content):
        length = struct.unpack_from("<Q", content, at)[0]
        record = content[at + 12 : at + 12 + length]
        if len(record) < length:
            return
        yield record
        at += length + 16


def _scalar(value: bytes) -> float | None:
    """Return the number of a summary value; None for histograms, images and texts."""
    for number, part in fields(value):
        if number == _SIMPLE and isinstance(part, bytes):
            return float(struct.unpack("<f", part)[0])
        if number == _TENSOR and isinstance(part, bytes):
            return _of_tensor(part)
    return None


def _of_tensor(tensor: bytes) -> float | None:
    for number, part in fields(tensor):
        if not isinstance(part, bytes):
            continue
        form = {4: "<f", 8: "<d"}.get(len(part)) if number == _CONTENT else _NUMBERS.get(number)
        if form and len(part) == struct.calcsize(form):
            return float(struct.unpack(form, part)[0])
    return None


def _read(path: Path, content: bytes) -> list[Run]:
    """Return the last value of every scalar."""
    run: Run = {"run": str(path.parent)}
    for event in _records(content):
        step = next((value for number, value in fields(event) if number == _STEP), 0)
        for value in (each for summary in messages(event, _SUMMARY) for each in messages(summary, _VALUE)):
            if (found := _scalar(value)) is not None:
                run |= {texts(value, _TAG)[0]: found, "step": step}
    return [run]


SOURCE = Source(what="event files of TensorBoard", files=("events.out.tfevents.*",), is_log=_is_log, read=_read)
