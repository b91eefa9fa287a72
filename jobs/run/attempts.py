"""`attempts.jsonl` of a run: a line when a worker begins it and one when it lets it go; one without it was killed.

How long one that was killed took is written by the next one, and read from the files of the run until then.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobs.failures import FAILURES, is_interruption
from jobs.processes import host
from jobs.record import RunRecord
from jobs.sweep.ledger import now
from planners.records.json import to_json
from planners.spec import RunSpec
from planners.study import Study


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at a run."""

    started: str
    """When, UTC."""
    host: str
    """Where."""
    job: str | None
    """The job, as its executor names it; null outside a sweep."""
    log: str | None
    """Where its worker wrote; null outside a sweep."""
    D_start: int
    """Tokens of the checkpoint that it went on from."""
    devices: float | None = None
    """Devices that it had: a part of one where runs share it; null in lines of before it was kept."""
    ended: bool = False
    """Whether it said that it ended."""
    failure: str | None = None
    """Class of failures; null where it came to an end, where it was asked to stop, and where it was killed."""
    error: str | None = None
    """Why, one line."""
    wall_s: float = 0.0
    """Seconds it took; where it was killed or is at work, up to its last metrics line or checkpoint."""


def path_of(folder: Path) -> Path:
    """Return the attempts file of a run folder."""
    return folder / "attempts.jsonl"


class Ending:
    """What an attempt will have said of its end."""

    failure: str | None = None
    error: str | None = None


@contextmanager
def attempt(study: Study, spec: RunSpec, devices: float = 1) -> Iterator[Ending]:
    """Write that an attempt begins and, whatever happens inside, that it ended; the body fills in why it failed.

    A full disk does not keep the line of the end from being tried, nor its failure from being passed over.
    """
    folder, clock, ending = study.run_folder(spec.run_id), time.monotonic(), Ending()
    begun = {"time": now(), "host": host(), "pid": os.getpid(), **_job(), "D": D_saved(folder, spec)}
    past = read_attempts(folder)
    if past and not past[-1].ended:
        _append(folder, {"event": "killed", "time": now(), "wall_s": past[-1].wall_s})
    _append(folder, {"event": "started", **begun, "devices": devices})
    try:
        yield ending
    finally:
        end = {"failure": ending.failure, "error": ending.error, "wall_s": round(time.monotonic() - clock, 3)}
        with suppress(OSError):
            _append(folder, {"event": "ended", "time": now(), **end})


def retire(study: Study, record: RunRecord) -> None:
    """Keep a failed record as a line of the attempts, and make room for the next one. The lock of the run is held."""
    folder = study.run_folder(record.spec.run_id)
    outcome = {name: value for name, value in to_json(record).items() if name != "spec"}
    _append(folder, {"event": "retired", "time": now(), "record": outcome})
    (folder / "record.json").unlink(missing_ok=True)


def read_attempts(folder: Path) -> list[Attempt]:
    """Return the attempts at a run, the first one first. Torn lines are left out."""
    found: list[Attempt] = []
    for row in _rows(path_of(folder)):
        if row.get("event") == "started":
            found.append(
                Attempt(
                    started=str(row.get("time")),
                    host=str(row.get("host")),
                    job=row.get("job"),
                    log=row.get("log"),
                    D_start=int(row.get("D") or 0),
                    devices=row.get("devices"),
                )
            )
        elif row.get("event") == "killed" and found:
            found[-1] = replace(found[-1], wall_s=float(row.get("wall_s") or 0))
        elif row.get("event") == "ended" and found:
            failure = row.get("failure")
            found[-1] = replace(
                found[-1],
                ended=True,
                failure=failure if failure in FAILURES else None,
                error=row.get("error"),
                wall_s=float(row.get("wall_s") or 0),
            )
    if found and not found[-1].ended:
        found[-1] = replace(found[-1], wall_s=max(found[-1].wall_s, _lived_s(folder)))
    return found


def _lived_s(folder: Path) -> float:
    """Return the seconds from the newest line of the attempts to the newest sign of life, by one clock: the files'."""
    try:
        since = path_of(folder).stat().st_mtime
    except OSError:
        return 0.0
    lived = 0.0
    for name in ("metrics.jsonl", "checkpoint"):
        with suppress(OSError):
            lived = max(lived, (folder / name).stat().st_mtime - since)
    return round(lived, 3)


def spent(attempts: list[Attempt], D_now: int) -> int:
    """Return how many attempts count against the bound, none of them being at work any more.

    Those count that failed by a fault of the run, and those that were interrupted or killed before a new checkpoint
    (D_now tokens are in the newest one), except by a full disk, which is everybody's.
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
    """Return the tokens of the newest checkpoint, by its name."""
    try:
        names = [name for name in os.listdir(folder / "checkpoint") if name.startswith("step-")]
    except OSError:
        return 0
    steps = max((int(name[5:-3]) for name in names if name.endswith(".pt") and name[5:-3].isdigit()), default=0)
    return steps * spec.training.batch_tokens


def _job() -> dict[str, Any]:
    """Return the job that this process belongs to, and its log, from what submitit leaves in the environment."""
    if "SUBMITIT_FOLDER" not in os.environ:
        return {"job": None, "log": None}
    from submitit import JobEnvironment

    environment = JobEnvironment()
    return {"job": environment.job_id, "log": str(environment.paths.stderr)}


def _append(folder: Path, row: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with open(path_of(folder), "ab") as file:
        torn = file.tell() > 0 and not path_of(folder).read_bytes().endswith(b"\n")
        file.write((b"\n" if torn else b"") + json.dumps(row, allow_nan=False).encode() + b"\n")


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return
    for line in lines:
        with suppress(ValueError):
            if isinstance(row := json.loads(line), dict):
                yield row
