"""Files that are either whole or absent: atomic writes, and JSONL whose last line may be torn."""

import errno
import json
import math
import os
import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from planners.records.errors import UsageError, warn


def open_own(path: Path, flags: int) -> int:
    """Open a file for writing, with the mode that the umask asks for, and return its descriptor.

    Raises UsageError for a symbolic link: writing would change the file that it points at, perhaps somebody else's.
    """
    try:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UsageError(f"{path} is a symbolic link, and writing would change its target; remove it") from None
        raise


def expanded(text: str) -> Path:
    """Return a path in which ~ is the home of a user. Raises UsageError for a user without one."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise UsageError(f"{text} begins with the home folder of an unknown user; give the whole path") from None


def write_with(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a temporary file in the same folder, then fsync and rename it: readers never see half a file.

    If anything fails (a full disk, an interrupt), the old file stays and the temporary one is removed. A link at `path`
    is replaced. Of missing folders only the last one is made: a worker must not make a study again that was moved.
    """
    temporary = path.with_name(f".{path.name[:100]}.{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(exist_ok=True)
        handle = open_own(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    except OSError as error:  # name the file that was asked for, not the temporary one
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and error.filename is None:  # a full disk names no file
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically; a file that already holds this text is not touched."""
    content = text.encode(errors="backslashreplace")  # file names may hold bytes that are not UTF-8
    if not (path.is_file() and path.read_bytes() == content):
        write_with(path, lambda file: file.write(content))


def write_json(path: Path, data: Any) -> None:
    """Write `data` as indented JSON, atomically."""
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the JSON of `path`. Raises UsageError where the file is missing, unreadable or not JSON."""
    try:
        return parsed(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as JSON ({_reason(error)})") from error


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Write one JSON object a line, atomically."""
    write_text(path, jsonl_text(rows))


def jsonl_text(rows: Iterable[Any]) -> str:
    """Return one JSON object a line."""
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)


def read_jsonl(path: Path) -> tuple[list[Any], bool]:
    """Return the rows of `path`, and whether its last line was torn and therefore left out.

    Raises UsageError for a missing file and for a bad line that is not the last one.
    """
    try:
        lines = path.read_text("utf-8", errors="replace").split("\n")
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({_reason(error)})") from error
    rows: list[Any] = []
    last = max((number for number, line in enumerate(lines, 1) if line.strip()), default=0)
    for number, line in enumerate(lines[:last], 1):
        try:
            if line.strip():
                rows.append(_loads(line, _LENIENT))
        except ValueError as error:
            if number == last:  # a writer was interrupted in its last line
                return rows, True
            raise UsageError(f"{path} line {number} is not JSON; restore or remove that line") from error
    return rows, False


def append_row(path: Path, row: Any) -> None:
    """Append one JSON object as a line; it is on disk when this returns. A torn last line is closed first."""
    with os.fdopen(open_own(path, os.O_RDWR | os.O_CREAT | os.O_APPEND), "ab+") as file:
        torn = file.tell() > 0 and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n"
        file.write(b"\n" * torn + json.dumps(row, allow_nan=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())  # a power failure after this cannot lose the line


def appended_rows(path: Path) -> list[dict[str, Any] | None]:
    """Return the rows of a file of `append_row`, [] if it is missing; None stands for a line that is not an object."""
    try:
        return [_object(line) for line in path.read_bytes().split(b"\n") if line.strip()]
    except FileNotFoundError:
        return []


def warn_of_lines(path: Path, odd: Sequence[int]) -> None:
    """Warn that the lines with these numbers cannot be read and are left out; say nothing if there are none."""
    if odd:
        which = f"line {odd[0]} cannot be read and is" if len(odd) == 1 else f"{len(odd)} lines cannot be read and are"
        warn(f"{path}: {which} left out" + (f"; the first is line {odd[0]}" if len(odd) > 1 else ""))


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        row = parsed(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def parsed(text: str | bytes) -> Any:
    """Return the JSON of a text. Raises ValueError for bad JSON and for numbers that are not finite floats."""
    text = text.decode() if isinstance(text, bytes) else text
    return _loads(text, _CHECKED if _is_risky(text) else _PLAIN)


def _loads(text: str, decoder: json.JSONDecoder) -> Any:
    try:
        return decoder.decode(text)
    except RecursionError:  # nested thousands deep
        raise ValueError("it is nested too deeply") from None


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:20]} is not a finite number")
    return number


def _whole(text: str) -> int:
    if len(text) > 300:
        raise ValueError(f"{text[:20]}… has {len(text)} digits")
    return int(text)


def _is_risky(text: str) -> bool:
    """Whether a text may hold a number beyond floats: few do, and checking each number takes twice as long."""
    return bool(_EXPONENT.search(text)) or any(text[at : at + 100].isdigit() for at in range(0, len(text), 100))


_EXPONENT = re.compile("[eE][+]?[0-9]{3}")
_PLAIN = json.JSONDecoder(parse_constant=_finite)
_CHECKED = json.JSONDecoder(parse_constant=_finite, parse_float=_finite, parse_int=_whole)
_LENIENT = json.JSONDecoder(parse_int=_whole)
"""For lines in which NaN stands for a number that is missing."""


def last_numbers(path: Path) -> dict[str, Any]:
    """Return the numbers of the last whole row of a JSONL file that may still grow; {} without one."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 4096))
            lines = file.read().split(b"\n")[:-1]
    except OSError:
        return {}
    row = next((row for line in reversed(lines) if (row := _object(line)) is not None), {})
    return {name: value for name, value in row.items() if type(value) in (int, float)}


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
