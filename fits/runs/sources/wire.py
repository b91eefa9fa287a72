"""Messages in the wire format of Protocol Buffers, as event files hold them (protobuf.dev/programming-guides/encoding).

for number, value in fields(message): ...
"""

from collections.abc import Iterator

Value = int | bytes
"""An integer, the 8 or 4 bytes of a fixed number, or the bytes of a text or a message."""


def fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """Yield (field number, value) of each field. Raises ValueError for a message that is cut off."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        length = {1: 8, 5: 4}.get(kind)
        if kind == 2:
            length, at = _varint(message, at)
        if length is None or at + length > len(message):
            raise ValueError("a record is cut off or damaged")
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Return an integer of variable length, and where the next field starts."""
    value = shift = 0
    while at < len(message) and shift < 70:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("a record is cut off or damaged")


def texts(message: bytes, number: int) -> list[str]:
    """Return the values of a text field."""
    return [value.decode(errors="replace") for value in messages(message, number)]


def messages(message: bytes, number: int) -> list[bytes]:
    """Return the values of a field of messages."""
    return [value for at, value in fields(message) if at == number and isinstance(value, bytes)]
