"""The lock of a study: one process at a time decides which runs are missing and submits them.

On one machine `flock` decides; the system releases it when its holder ends, however it ends. On some network file
systems flock does not reach other machines. There a heartbeat decides: the holder rewrites the file every few seconds.
Whoever finds the file written by another machine watches it for a change by its own clock, so clocks need not agree.
"""

import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.machine import host
from jobs.run.run_lock import try_flock
from planners.records.errors import UsageError
from planners.records.files import open_own

BEAT_S = 5.0
"""Seconds between heartbeats."""
STALE_S = 20.0
"""A holder on another machine is dead if its file has not changed for this many seconds: four missed heartbeats."""
WAIT_S = 600.0
"""Seconds that a sweep waits for another sweep to finish submitting."""
POLL_S = 0.1
"""Seconds between looks at the file."""
SIZE = 256
"""Every write fills this many bytes at once, so a reader never sees part of one."""


@contextmanager
def study_lock(path: Path, say: Callable[[str], None] = lambda text: None) -> Iterator[Callable[[], None]]:
    """Hold the lock at `path`. Yield a function that raises UsageError once the lock is lost.

    The lock is lost if this process is suspended for so long that another machine takes it over; call the function
    just before each submission. `say` gets a sentence if another process holds the lock.
    Raises UsageError if that process still holds it after `WAIT_S` seconds, the file is a link or the file system does
    not support flock, and OSError if the folder cannot be written.
    """
    file = open_own(path, os.O_RDWR | os.O_CREAT)
    token = uuid.uuid4().hex
    try:
        _acquire(path, file, token, say)
        stop = threading.Event()
        beating = threading.Thread(target=_beat, args=(path, file, token, stop), daemon=True)
        beating.start()
        try:
            yield lambda: _check_held(path, token)
        finally:
            stop.set()
            beating.join()
            # empty the file only if it is still ours, and before the flock goes with the descriptor
            if _read(path).get("token") == token:
                _write(file, {})
    finally:
        os.close(file)


def _acquire(path: Path, file: int, token: str, say: Callable[[str], None]) -> None:
    deadline, told = time.monotonic() + WAIT_S, False
    while True:
        flocked = try_flock(file)
        holder = _read(path)
        # we have the flock: a holder on this machine is dead; one on another machine may live where flock is local
        if flocked and (not holder or holder.get("host") == host() or _is_stale(path)):
            _write(file, {"token": token, "host": host(), "pid": os.getpid(), "beat": 0})
            return
        name = f"process {holder.get('pid', '?')} on {holder.get('host', '?')}"
        if not told:
            say(f"another sweep of this study is submitting ({name}); waiting for it")
            told = True
        if time.monotonic() > deadline:
            raise UsageError(f"another sweep has held {path} for {WAIT_S:.0f} s ({name}); end it, or try again later")
        time.sleep(POLL_S)


def _is_stale(path: Path) -> bool:
    """Whether the file stays unchanged for `STALE_S` seconds of this machine's clock."""
    first, deadline = _read(path), time.monotonic() + STALE_S
    while time.monotonic() < deadline:
        time.sleep(POLL_S)
        if _read(path) != first:
            return False
    return True


def _beat(path: Path, file: int, token: str, stop: threading.Event) -> None:
    """Rewrite the file until `stop` is set, or until another process has taken the lock over."""
    count = 0
    while not stop.wait(BEAT_S) and not _is_lost(path, token):
        count += 1
        try:
            _write(file, {"token": token, "host": host(), "pid": os.getpid(), "beat": count})
        except OSError:  # the disk may be full for a moment; the next heartbeat may succeed
            continue


def _is_lost(path: Path, token: str) -> bool:
    """Whether another process took the lock over, and perhaps released it since."""
    try:
        text = path.read_bytes()[:SIZE].strip()
        return not text or json.loads(text)["token"] != token
    except FileNotFoundError:
        return True
    except (OSError, ValueError, LookupError, TypeError):  # a failed read, such as ESTALE on NFS, proves nothing
        return False


def _check_held(path: Path, token: str) -> None:
    if _is_lost(path, token):
        raise UsageError(
            f"another sweep took over {path} while this one was suspended; the remaining runs were not submitted: start"
            " this sweep again"
        )


def _write(file: int, content: dict[str, object]) -> None:
    text = json.dumps(content) if content else ""
    os.pwrite(file, text.encode().ljust(SIZE), 0)
    os.fsync(file)


def _read(path: Path) -> dict[str, object]:
    """Return the content of the file, empty if it cannot be read. Opened anew each time, past a network file cache."""
    try:
        content = json.loads(path.read_bytes()[:SIZE])
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
