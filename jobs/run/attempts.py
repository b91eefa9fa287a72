"""`attempts.jsonl` of a run: one line when a worker starts an attempt and one when the attempt ends.

An attempt without the second line was killed. How long it took is read from the files of the run; the next attempt
writes it down before it changes those files.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobs import snapshot
from jobs.failures import FAILURES, is_interruption
from jobs.machine import host, utc_now
from jobs.record import RunRecord
from planners.records.errors import UsageError
from planners.records.files import append_row, appended_rows, warn_of_lines
from planners.records.json import from_json, to_json
from planners.spec import RunSpec
from planners.study import Study

MONTHS_S = 1e7
"""Longest time of an attempt, in seconds: 115 days. A longer one comes from a file with a wrong date."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at a run, without what only a person reads in the file (time, machine, error)."""

    job: str | None
    """Job id, as the executor names it; null outside a sweep."""
    log: str | None
    """Log file of its worker; null outside a sweep."""
    D_start: int
    """Tokens of the checkpoint that it resumed from."""
    code: str | None = None
    """Hash of the sources that trained; null in lines of older versions."""
    devices: float | None = None
    """Devices that it occupied, a fraction where runs share one; null in lines of older versions."""
    ended: bool = False
    """Whether it wrote its end; False if it is running or was killed."""
    failure: str | None = None
    """Failure class; null if it finished, was asked to stop, or was killed."""
    wall_s: float = 0.0
    """Seconds it took; for one that is running or was killed, up to its last metrics line or checkpoint."""


@dataclass(frozen=True, kw_only=True)
class _Line:
    """What is read of a line of the file; fields of other events and versions are ignored."""

    event: str
    job: str | None = None
    log: str | None = None
    code: str | None = None
    D: int = 0
    devices: float | None = None
    wall_s: float = 0.0
    failure: str | None = None

    def __post_init__(self) -> None:
        if min(self.D, self.wall_s, self.devices or 0) < 0 or max(self.wall_s, self.devices or 0) > MONTHS_S:
            raise UsageError("an attempt has numbers that cannot be")


class AttemptEnd:
    """Why an attempt ended, filled in while it runs."""

    failure: str | None = None
    error: str | None = None


def path_of(folder: Path) -> Path:
    """Return the attempts file of a run folder."""
    return folder / "attempts.jsonl"


@contextmanager
def attempt(study: Study, spec: RunSpec, devices: float = 1) -> Iterator[AttemptEnd]:
    """Write that an attempt starts and, whatever happens inside, that it ended; the body fills in why it failed.

    A full disk cannot hide the body's exception: the second line is skipped if it cannot be written.
    """
    folder, clock, end = study.run_folder(spec.run_id), time.monotonic(), AttemptEnd()
    start = {
        "time": utc_now(),
        "host": host(),
        "pid": os.getpid(),
        **_job(),
        "D": D_saved(folder, spec),
        "code": snapshot.code(),
    }
    past = read_attempts(folder)
    if past and not past[-1].ended:
        # before the line of this attempt: from now on the files of the run tell about this one
        append_row(path_of(folder), {"event": "killed", "time": utc_now(), "wall_s": past[-1].wall_s})
    append_row(path_of(folder), {"event": "started", **start, "devices": devices})
    try:
        yield end
    finally:
        line = {"failure": end.failure, "error": end.error, "wall_s": round(time.monotonic() - clock, 3)}
        with suppress(OSError):
            append_row(path_of(folder), {"event": "ended", "time": utc_now(), **line})


def mark_worker() -> None:
    """Leave a file next to the log of this job: its worker has begun. A job without one counts as an attempt."""
    if "SUBMITIT_FOLDER" in os.environ:
        from submitit import JobEnvironment

        job = JobEnvironment()
        with suppress(OSError):  # a full disk must not end the worker before it can say so
            began(job.paths.folder, job.job_id).touch()


def began(folder: Path, job: str) -> Path:
    """Return the file of `mark_worker` for a job, in the folder of its submission."""
    return folder / f"{job}.began"


def archive_record(study: Study, record: RunRecord) -> None:
    """Move a failed record into the attempts file. The caller holds the lock of the run.

    The line is written before the record is removed, so a crash in between loses nothing.
    """
    folder = study.run_folder(record.spec.run_id)
    outcome = {name: value for name, value in to_json(record).items() if name != "spec"}
    append_row(path_of(folder), {"event": "retired", "time": utc_now(), "record": outcome})
    (folder / "record.json").unlink(missing_ok=True)


def read_attempts(folder: Path) -> list[Attempt]:
    """Return the attempts at a run, oldest first. Lines that cannot be read are set aside with a warning."""
    found: list[Attempt] = []
    odd: list[int] = []
    for number, row in enumerate(appended_rows(path_of(folder)), 1):
        try:
            _enter(found, row or {})
        except (KeyError, UsageError):
            odd.append(number)
    warn_of_lines(path_of(folder), odd)
    if found and not found[-1].ended:
        found[-1] = replace(found[-1], wall_s=max(found[-1].wall_s, _seconds_alive(folder)))
    return found


def _enter(found: list[Attempt], row: dict[str, Any]) -> None:
    """Add a line to the attempts found so far. Raises KeyError or UsageError for a line that no worker writes."""
    event, values = row["event"], {name: row[name] for name in _Line.__dataclass_fields__ if row.get(name) is not None}
    read = from_json(_Line, {**values, "event": event}, "attempt")
    if event == "started":
        found.append(Attempt(job=read.job, log=read.log, D_start=read.D, code=read.code, devices=read.devices))
    elif event in ("killed", "ended") and found:
        failure = read.failure if event == "ended" and read.failure in FAILURES else None
        found[-1] = replace(found[-1], wall_s=read.wall_s, ended=event == "ended", failure=failure)


def _seconds_alive(folder: Path) -> float:
    """Return the seconds from the newest attempts line to the newest metrics line or checkpoint.

    All three are modification times by the clock of one file system, so the clocks of machines need not agree.
    """
    try:
        since = path_of(folder).stat().st_mtime
    except OSError:
        return 0.0
    alive = 0.0
    for name in ("metrics.jsonl", "checkpoint"):
        with suppress(OSError):
            alive = max(alive, (folder / name).stat().st_mtime - since)
    return round(min(alive, MONTHS_S), 3)


def counted(attempts: list[Attempt], D_now: int) -> int:
    """Return how many finished attempts count towards the limit; `D_now` is the tokens of the newest checkpoint.

    An attempt counts if the run itself failed, or if it was interrupted or killed before a new checkpoint. A full disk
    never counts: it is not the fault of one run.
    """
    starts = [attempt.D_start for attempt in attempts]
    return sum(_counts(attempt, D) for attempt, D in zip(attempts, [*starts[1:], D_now], strict=False))


def _counts(attempt: Attempt, D_reached: int) -> bool:
    if attempt.ended and attempt.failure in (None, "disk_full"):
        return False
    if attempt.failure is None or is_interruption(attempt.failure):
        return D_reached <= attempt.D_start
    return True


def D_saved(folder: Path, spec: RunSpec) -> int:
    """Return the tokens of the newest checkpoint, from its file name; 0 if there is none."""
    try:
        names = [name for name in os.listdir(folder / "checkpoint") if name.startswith("step-")]
    except OSError:
        return 0
    steps = max((int(name[5:-3]) for name in names if name.endswith(".pt") and name[5:-3].isdigit()), default=0)
    return steps * spec.training.batch_tokens


def _job() -> dict[str, Any]:
    """Return the job id and log of this process, which submitit leaves in the environment."""
    if "SUBMITIT_FOLDER" not in os.environ:
        return {"job": None, "log": None}
    from submitit import JobEnvironment

    environment = JobEnvironment()
    return {"job": environment.job_id, "log": str(environment.paths.stderr)}
