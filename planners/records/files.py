"""Files that are either whole or absent: atomic writes, and JSONL whose last line may be torn."""

import json
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from planners.records.errors import UsageError


def write_with(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a temporary file in the same folder, then fsync and rename it: readers never see half a file.

    If anything fails (a full disk, an interrupt), the old file stays and the temporary one is removed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:  # name the file that was asked for, not the temporary one
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes files that only their owner can read
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically; a file that already holds this text is not touched."""
    content = text.encode()
    if not (path.is_file() and path.read_bytes() == content):
        write_with(path, lambda file: file.write(content))


def write_json(path: Path, data: Any) -> None:
    """Write `data` as indented JSON, atomically."""
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the JSON of `path`. Raises UsageError where the file is missing, unreadable or not JSON."""
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:  # RecursionError: nested thousands deep
        raise UsageError(f"{path} cannot be read as JSON ({_reason(error)})") from error


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Write one JSON object a line, atomically."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows))


def read_jsonl(path: Path) -> tuple[list[Any], bool]:
    """Return the rows of `path`, and whether its last line was torn and therefore left out.

    Raises UsageError for a missing file and for a bad line that is not the last one.
    """
    import jsonlines

    rows: list[Any] = []
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            reader = jsonlines.Reader(file)
            while True:
                try:
                    rows.append(reader.read(skip_empty=True))
                except jsonlines.InvalidLineError as error:
                    if next(file, None) is None:  # a writer was interrupted in its last line
                        return rows, True
                    raise UsageError(f"{path} line {error.lineno} is not JSON; restore or remove that line") from error
                except EOFError:
                    return rows, False
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({_reason(error)})") from error


def append_row(path: Path, row: Any) -> None:
    """Append one JSON object as a line; it is on disk when this returns. A torn last line is closed first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
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


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


def last_row(path: Path) -> dict[str, Any]:
    """Return the last whole row of a JSONL file that may still grow; {} without one."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - 4096))
            lines = file.read().split(b"\n")[:-1]
    except OSError:
        return {}
    for line in reversed(lines):
        try:
            return dict(json.loads(line))
        except ValueError:
            continue
    return {}


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
