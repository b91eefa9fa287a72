"""`ledger.jsonl` of a study: what was submitted. A line before and a line after, so a crash never submits twice.

The line `submitting` is on disk before the executor is called, `submitted` (or `refused`) is written after it answered,
and `ended` once all jobs of the submission are over. If the second line is missing, the jobs can still be found: the id
of the submission is in the name of every Slurm job and in the command line of every local process. The ledger says
which jobs may be alive; only the record of a run says whether the run is done.
"""

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from jobs.machine import utc_now
from planners.records.errors import UsageError
from planners.records.files import append_row, appended_rows, warn_of_lines
from planners.records.json import from_json, to_json
from planners.study import Study

NAME = "scaling-"
"""Prefix of the name of a Slurm job; the ids of its study and of its submission follow."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job of a submission."""

    id: str
    """As the executor names it: 77_0 on Slurm, a process id on this machine."""
    pack: int
    """Which of the submission's packs it trains; workers of this machine share one."""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One call of an executor: an array of jobs on Slurm, or the workers of this machine."""

    id: str
    """Unique id; part of the names of its jobs and of its folder in cluster/."""
    time: str
    """Time of submission by the clock of the host, UTC; only for a person to read."""
    host: str
    """Machine that submitted it."""
    boot: str | None = None
    """Boot id of that machine (`jobs.machine.boot_id`); null where unknown."""
    pid: int
    """Process that submitted it."""
    pid_start: str | None = None
    """When that process started (`jobs.processes.start_of`); null in lines of older versions."""
    study: str | None = None
    """Id of the study (`planners.study.Asked`); null in lines of older versions."""
    folder: str | None = None
    """Folder of the study: a copied or moved study is another study and owns none of these jobs."""
    executor: str
    """local, slurm or debug."""
    packs: tuple[tuple[str, ...], ...]
    """Run ids of each pack, in the order of training."""
    predicted_s: tuple[float, ...]
    """Seconds that each pack is predicted to take on its devices."""
    retry: dict[str, int] = field(default_factory=dict)
    """Failed runs that it trains again, each with the attempts it had before."""
    jobs: tuple[Job, ...] | None = None
    """Its jobs; null if the second line is missing."""
    refused: str | None = None
    """Why the executor refused it; null if accepted."""
    cancelled: str | None = None
    """Who asked to cancel it; null if nobody did."""
    ended: str | None = None
    """Why all of its jobs are known to be over; null while some may be alive."""
    states: dict[str, str] | None = None
    """Last state in Slurm of each job that did not complete; null before it ended."""
    died: dict[str, str] | None = None
    """Slurm jobs that ended before their worker began, with the reason; null before it ended."""

    @property
    def name(self) -> str:
        """Name of its jobs on Slurm."""
        return f"{NAME}{self.study}-{self.id}" if self.study else NAME + self.id

    @property
    def is_open(self) -> bool:
        """Whether some of its jobs may be alive."""
        return self.refused is None and self.ended is None

    @property
    def run_ids(self) -> set[str]:
        """The runs it was submitted for."""
        return {run_id for pack in self.packs for run_id in pack}


LATER = ("jobs", "refused", "cancelled", "ended", "states", "died")
"""Fields of a submission that only later lines fill."""


def new_id() -> str:
    """Return a new submission id: the time, for people, and random digits."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:8]}"


class Ledger:
    """The ledger of a study. Writers hold the lock of the study; anyone may read."""

    def __init__(self, study: Study):
        self.study, self.path = study, study.folder / "ledger.jsonl"

    def own(self) -> list[Submission]:
        """Return the submissions of this study, without those of the study that it was copied or moved from."""
        identity = (self.study.id(), os.path.realpath(self.study.folder))
        return [one for one in self.read() if one.study is None or (one.study, one.folder) == identity]

    def submitting(self, submission: Submission) -> None:
        """Write the line before a submission. When this returns the line is on disk."""
        first = {name: value for name, value in to_json(submission).items() if name not in LATER}
        append_row(self.path, {"event": "submitting", **first})

    def submitted(self, id: str, jobs: Sequence[Job]) -> None:
        """Write the line after a submission."""
        self._later("submitted", id, jobs=[asdict(job) for job in jobs])

    def refused(self, id: str, reason: str) -> None:
        """Write that the executor refused a submission."""
        self._later("refused", id, refused=reason)

    def cancelled(self, id: str, by: str) -> None:
        """Write that somebody asked to cancel a submission, so that no waiting sweep submits its runs again."""
        self._later("cancelled", id, cancelled=by)

    def ended(self, id: str, reason: str, states: Mapping[str, str], died: Mapping[str, str]) -> None:
        """Write that all jobs of a submission are over, with last states and jobs that died before their worker."""
        self._later("ended", id, ended=reason, states=dict(states), died=dict(died))

    def read(self) -> list[Submission]:
        """Return all submissions, oldest first. Lines that cannot be read are set aside with a warning.

        Skipping is safe. A torn first line submitted nothing, because it is on disk before the executor is called. For
        a torn second line the jobs are found by the submission's name.
        """
        found: dict[str, Submission] = {}
        odd: list[int] = []
        for number, row in enumerate(self._rows(), 1):
            try:
                _enter(found, row or {})
            except (KeyError, TypeError, UsageError):
                odd.append(number)
        warn_of_lines(self.path, odd)
        return list(found.values())

    def _rows(self) -> list[dict[str, Any] | None]:
        try:
            return appended_rows(self.path)
        except OSError as error:
            # without the ledger every run would look free and be submitted again
            raise UsageError(
                f"{self.path}, which lists the submitted jobs, cannot be read ({error.strerror})"
            ) from error

    def _later(self, event: str, id: str, **values: Any) -> None:
        append_row(self.path, {"event": event, "id": id, "time": utc_now(), **values})


def _enter(found: dict[str, Submission], row: dict[str, Any]) -> None:
    """Add a line to the submissions found so far. Fields of a later version are ignored."""
    event, id = row["event"], row["id"]
    known = {one.name: row[one.name] for one in fields(Submission) if one.name in row}
    if event == "submitting":
        found[id] = from_json(Submission, known, "ledger")
    elif id in found:
        later = from_json(Submission, {**to_json(found[id]), **{k: v for k, v in known.items() if k in LATER}})
        found[id] = replace(found[id], **{name: getattr(later, name) for name in LATER})
