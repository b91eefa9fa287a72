"""`ledger.jsonl`: what was submitted, with a line before and a line after, so that no crash submits anything twice.

The line `submitting` is on disk before the executor is called, `submitted` (or `refused`) after it answered, `ended`
once all jobs are known to be over. Where the second line is missing, the jobs are found by the submission's id, which
is in the name of every Slurm job and in the command line of every local process. The ledger says what may be in
flight; whether a run is done, its record alone says.
"""

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from planners.records.errors import UsageError, warn
from planners.records.json import from_json, to_json
from planners.study import Study

NAME = "scaling-"
"""What the name of a Slurm job begins with; the id of its submission follows."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job of a submission."""

    id: str
    """As the executor names it: 77_0 on Slurm, a process id here."""
    pack: int
    """Which of the submission's packs it trains; workers of this machine share one."""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One call of an executor: an array of jobs on Slurm, the workers of this machine."""

    id: str
    """Unique; part of its jobs' names and of its folder in cluster/."""
    time: str
    """When, by the clock of the host, UTC; for a person to read."""
    host: str
    """Who submitted."""
    boot: str | None = None
    """Which start of that machine's system; null where it cannot be told."""
    pid: int
    """The process that submitted."""
    executor: str
    """local, slurm or debug."""
    packs: tuple[tuple[str, ...], ...]
    """Run ids of each pack, in the order of training."""
    predicted_s: tuple[float, ...]
    """Seconds that each pack is expected to take on its devices."""
    retry: dict[str, int] = field(default_factory=dict)
    """The failed runs that it trains again, each with the attempts that it had."""
    jobs: tuple[Job, ...] | None = None
    """Its jobs; null where the second line is missing."""
    refused: str | None = None
    """Why the executor refused; null where it did not."""
    cancelled: str | None = None
    """Who asked for its end; null where nobody did."""
    ended: str | None = None
    """Why nothing of it is alive any more; null while something may be."""
    states: dict[str, str] | None = None
    """Last known state of each job that did not end well, by the scheduler; null before it ended."""

    @property
    def name(self) -> str:
        """Name of its jobs on Slurm."""
        return NAME + self.id

    @property
    def is_open(self) -> bool:
        """Whether something of it may be alive."""
        return self.refused is None and self.ended is None

    @property
    def run_ids(self) -> set[str]:
        """The runs it was submitted for."""
        return {run_id for pack in self.packs for run_id in pack}


def new_id() -> str:
    """Return an id for a submission: its time, for the eye, and random digits."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:8]}"


def now() -> str:
    """Return the time, UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Ledger:
    """The ledger of a study. Whoever writes holds the study's lock; anyone may read."""

    def __init__(self, study: Study):
        self.path = study.folder / "ledger.jsonl"

    def submitting(self, submission: Submission) -> None:
        """Write the line before a submission; it is on disk when this returns."""
        first = {name: value for name, value in to_json(submission).items() if name not in LATER}
        self._append({"event": "submitting", **first})

    def submitted(self, id: str, jobs: Sequence[Job]) -> None:
        """Write the line after a submission."""
        self._append({"event": "submitted", "id": id, "time": now(), "jobs": [asdict(job) for job in jobs]})

    def refused(self, id: str, reason: str) -> None:
        """Write that the executor took nothing."""
        self._append({"event": "refused", "id": id, "time": now(), "refused": reason})

    def cancelled(self, id: str, by: str) -> None:
        """Write that somebody asked for the end of a submission, so that nobody who waits for it starts it again."""
        self._append({"event": "cancelled", "id": id, "time": now(), "cancelled": by})

    def ended(self, id: str, reason: str, states: Mapping[str, str]) -> None:
        """Write that nothing of a submission is alive, with the last state of each job that did not end well."""
        self._append({"event": "ended", "id": id, "time": now(), "ended": reason, "states": dict(states)})

    def read(self) -> list[Submission]:
        """Return all submissions in their order. A line that cannot be read is left out, and said on standard error.

        Left out, a first line submitted nothing (it is on disk before the executor is called), and a second one is
        made good by looking for the submission's name.
        """
        found: dict[str, Submission] = {}
        torn = 0
        for line in self._lines():
            try:
                _enter(found, line)
            except (ValueError, KeyError, TypeError, UsageError):
                torn += 1
        if torn:
            many = "line" if torn == 1 else "lines"
            warn(f"{torn} torn {many} of {self.path} left out")
        return list(found.values())

    def _lines(self) -> list[bytes]:
        try:
            return [line for line in self.path.read_bytes().split(b"\n") if line.strip()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise UsageError(f"{self.path} cannot be read ({error.strerror}); what is in flight is in it") from error

    def _append(self, line: dict[str, Any]) -> None:
        """Append a line and wait until it is on disk. What a torn last line left is closed first."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(line, allow_nan=False).encode() + b"\n"
        with open(self.path, "ab") as file:
            if _is_torn(self.path):
                text = b"\n" + text
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


LATER = ("jobs", "refused", "cancelled", "ended", "states")
"""Fields that the later lines fill."""


def _enter(found: dict[str, Submission], line: bytes) -> None:
    """Add what a line says to the submissions found so far."""
    row = json.loads(line)
    event, id = row["event"], row["id"]
    known = {one.name: row[one.name] for one in fields(Submission) if one.name in row}
    if event == "submitting":
        found[id] = from_json(Submission, known, "ledger")
    elif id in found:
        later = from_json(Submission, {**to_json(found[id]), **{k: v for k, v in known.items() if k in LATER}})
        found[id] = replace(found[id], **{name: getattr(later, name) for name in LATER})


def _is_torn(path: Path) -> bool:
    """Whether a file's last line has no end."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return False
        file.seek(size - 1)
        return file.read(1) != b"\n"
