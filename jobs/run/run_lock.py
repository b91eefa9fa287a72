"""The lock of a run: the process that holds it trains the run, and nobody else does.

The lock is `flock` on the file `lock` in the run folder. The system releases it when the holder ends, however it ends,
so a dead worker never blocks a run.
"""

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.machine import host
from planners.records.errors import UsageError
from planners.records.files import open_own

NO_FLOCK = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
"""Errors of flock on a file system that does not support it (some NFS and Lustre mounts)."""


def try_flock(file: int) -> bool:
    """Lock an open file exclusively, without waiting; return False if another process holds it.

    Raises UsageError if the file system does not support flock.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_FLOCK:
            raise UsageError(
                "the file system of the study does not support file locks (flock), which keep two processes from"
                " training the same run; move the study to another file system, or have this one mounted with flock"
            ) from None
        raise


@contextmanager
def run_lock(folder: Path) -> Iterator[bool]:
    """Hold the lock of a run folder; yield False if another process holds it.

    Raises UsageError if the file system does not support flock or the lock is a link, and OSError if the study is gone.
    """
    folder.parent.mkdir(exist_ok=True)
    folder.mkdir(exist_ok=True)
    with os.fdopen(open_own(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_APPEND), "a+") as file:
        held = False
        for wait in (0.02, 0.05, 0.0):  # `is_running` holds the lock for a moment, so only a third refusal counts
            if held := try_flock(file.fileno()):
                break
            time.sleep(wait)
        if held:
            # the processes of a run on several devices inherit the lock: it holds until the last of them has ended
            os.set_inheritable(file.fileno(), True)
            file.truncate(0)
            file.write(json.dumps({"host": host(), "pid": os.getpid()}) + "\n")
            file.flush()
        yield held


def is_running(folder: Path) -> bool:
    """Whether a process holds the lock of a run folder. Needs only read permission."""
    try:
        with open(folder / "lock") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:  # no lock file yet, or no flock there: nobody trains the run
        return False
