"""The lock of a study: one process at a time decides what is missing and submits it.

On one machine `flock` decides, which the system releases however its holder ends. Where several machines share a
folder and flock does not reach across them, a heartbeat does: the holder rewrites the file every few seconds, and
whoever finds it written by another machine watches for a change *by its own clock*, so clocks need not agree.
"""

import errno
import fcntl
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from jobs.processes import command_line, host
from planners.records.errors import UsageError

BEAT_S = 5.0
"""Seconds between heartbeats."""
STALE_S = 20.0
"""A file of another machine that has not changed for as long is what a dead holder left."""
SETTLE_S = 0.2
"""Where flock is refused: seconds after which a holder looks whether another one wrote at the same moment."""
WAIT_S = 600.0
"""Seconds that a sweep waits for another one to finish submitting."""
POLL_S = 0.1
SIZE = 256
"""The file always has this many bytes and is written at once, so that a reader never sees half of it."""
NO_FLOCK = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@dataclass(frozen=True, kw_only=True)
class Times:
    """How patient a lock is, in seconds; tests are less so."""

    beat: float = BEAT_S
    stale: float = STALE_S
    wait: float = WAIT_S


@contextmanager
def study_lock(
    path: Path, *, times: Times | None = None, say: Callable[[str], None] = lambda text: None
) -> Iterator[Callable[[], None]]:
    """Hold the lock at `path`; `say` is told whom it waits for. Yields what raises UsageError once it is lost.

    It can be where the heartbeat alone decides and this process sleeps for long, so whoever submits asks just before.
    Raises UsageError where another process still holds it after `times.wait` seconds, and OSError where the folder
    cannot be written.
    """
    times = times or Times()
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    token = uuid.uuid4().hex
    try:
        _acquire(path, file, token, times, say)
        stop = threading.Event()
        beating = threading.Thread(target=_beat, args=(path, file, token, times.beat, stop), daemon=True)
        beating.start()
        try:
            yield lambda: _check_held(path, token)
        finally:
            stop.set()
            beating.join()
            if _read(path).get("token") == token:
                _write(file, {})
    finally:
        os.close(file)


def _acquire(path: Path, file: int, token: str, times: Times, say: Callable[[str], None]) -> None:
    deadline, told = time.monotonic() + times.wait, False
    while True:
        flocked = _flock(file)
        holder = _read(path)
        if flocked is not False and (not holder or _is_dead(holder, flocked) or _is_stale(path, times.stale)):
            _write(file, {"token": token, "host": host(), "pid": os.getpid(), "beat": 0})
            if flocked:
                return
            time.sleep(SETTLE_S)
            if _read(path).get("token") == token:
                return
        if not told:
            say(f"another sweep of this study is submitting ({_name(holder)}); waiting for it")
            told = True
        if time.monotonic() > deadline:
            raise UsageError(
                f"another sweep has held {path} for {times.wait:.0f} s ({_name(holder)}); end it, or try again later"
            )
        time.sleep(POLL_S)


def _flock(file: int) -> bool | None:
    """Return whether the file could be locked; None where the file system does not know how."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_FLOCK:
            return None
        raise


def _is_dead(holder: dict[str, object], flocked: bool | None) -> bool:
    """Whether the holder was on this machine and is gone."""
    pid = holder.get("pid")
    return holder.get("host") == host() and (bool(flocked) or not isinstance(pid, int) or command_line(pid) is None)


def _is_stale(path: Path, seconds: float) -> bool:
    """Whether the file does not change for so many seconds of this machine's clock."""
    first, deadline = _read(path), time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(min(POLL_S, seconds))
        if _read(path) != first:
            return False
    return True


def _beat(path: Path, file: int, token: str, every: float, stop: threading.Event) -> None:
    """Show that this process lives, until it says stop or (after it slept for long) another one took the lock."""
    count = 0
    while not stop.wait(every) and not _is_lost(path, token):
        count += 1
        try:
            _write(file, {"token": token, "host": host(), "pid": os.getpid(), "beat": count})
        except OSError:  # a full disk for a moment; the next beat may succeed
            continue


def _is_lost(path: Path, token: str) -> bool:
    """Whether another one took the lock, and perhaps left it again; a look that fails for a moment tells nothing."""
    try:
        text = path.read_bytes()[:SIZE].strip()
        return not text or json.loads(text)["token"] != token
    except FileNotFoundError:
        return True
    except (OSError, ValueError, LookupError, TypeError):
        return False


def _check_held(path: Path, token: str) -> None:
    if _is_lost(path, token):
        raise UsageError(
            f"another sweep took {path} over while this one was held up; what is left was not submitted: start it again"
        )


def check_flock(path: Path) -> None:
    """Raise UsageError where the file system of a file that exists locks no files: no run could be trained there."""
    with open(path, "a") as file:
        if _flock(file.fileno()) is None:
            raise UsageError(no_flock(path))


def no_flock(path: Path) -> str:
    """Return what to say of a file system that locks no files."""
    return (
        f"the file system of {path.parent} locks no files (flock), which keeps two processes from training one run;"
        " move the study to one that does, or have this one mounted with flock"
    )


def _write(file: int, content: dict[str, object]) -> None:
    text = json.dumps(content) if content else ""
    os.pwrite(file, text.encode().ljust(SIZE), 0)
    os.fsync(file)


def _read(path: Path) -> dict[str, object]:
    """Return what the file says, nothing where it is empty or unreadable; opened anew, past a network's cache."""
    try:
        content = json.loads(path.read_bytes()[:SIZE])
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _name(holder: dict[str, object]) -> str:
    return f"process {holder.get('pid', '?')} on {holder.get('host', '?')}"
