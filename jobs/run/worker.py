"""The worker: one process that trains runs until none is left that nobody else has.

Every worker of a sweep gets the same list and takes what is free, so that a quick worker takes more runs and a dead
one holds nothing up. A run is owned by the process that holds the lock of its folder; the system releases it
when that process ends, however it ends. The callable that submitit pickles is here.
"""

import fcntl
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from jobs import snapshot
from jobs.execution import Execution
from jobs.failures import ATTEMPTS, classify, is_for_all, is_interruption
from jobs.record import RunRecord, read_record, write_record
from jobs.run.attempts import D_saved, Ending, attempt, read_attempts, retire, spent
from jobs.run.end_notice import Notice
from jobs.run.ranks import GRACE_S, error_told, follow, is_first, is_rank, launch
from jobs.run.task_group import leads_others, task_group
from jobs.sweep.study_lock import NO_FLOCK, no_flock
from planners.records.errors import UsageError
from planners.records.files import last_row, read_json, write_text
from planners.spec import RunSpec
from planners.study import Study

POLL_S = 0.5
"""Seconds between looks at the runs of another task."""
LOG_MARK = "--- run "
"""What a worker writes in its log before each run, so that `--log` finds the part of one run."""


@contextmanager
def run_lock(folder: Path) -> Iterator[bool]:
    """Hold the lock of a run folder; yields False where another process holds it. Released when the process ends.

    A reader that looks whether a run is running holds the lock for a moment, so a refusal counts on the third try.
    Raises UsageError where the file system locks no files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "a+") as file:
        held = False
        for wait in (0.02, 0.05, 0.0):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held = True
                break
            except BlockingIOError:
                time.sleep(wait)
            except OSError as error:
                if error.errno in NO_FLOCK:
                    raise UsageError(no_flock(folder)) from None
                raise
        if held:
            os.set_inheritable(file.fileno(), True)  # for torchrun, which keeps the lock if this process is killed
            file.truncate(0)
            file.write(json.dumps({"host": platform.node(), "pid": os.getpid()}) + "\n")
            file.flush()
        yield held


def is_running(folder: Path) -> bool:
    """Whether a process holds the lock of a run folder."""
    try:
        with open(folder / "lock") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except BlockingIOError:
        return True
    except OSError:
        return False


class Worker:
    """What submitit runs: `Worker(folder)(run_ids)` trains what is free among `run_ids`, the first ones first.

    `attempts` bounds what a run is given; `retry` names the failed runs to train again, with the attempts they had, so
    that a run that fails again is left; `limit_s` is when the scheduler's warning before a time limit is due;
    `code` names the sources that it must find; `devices` is what a run occupies, a part of one where runs share it.
    """

    def __init__(
        self,
        folder: str,
        execution: Execution | None = None,
        *,
        attempts: int = ATTEMPTS,
        retry: dict[str, int] | None = None,
        limit_s: float | None = None,
        code: str | None = None,
        devices: float | None = None,
    ):
        self.folder, self.execution = folder, execution or Execution()
        self.attempts, self.retry, self.limit_s = attempts, retry or {}, limit_s
        self.code = code
        self.devices = self.execution.devices if devices is None else devices
        self._begin()

    def __call__(self, run_ids: list[str]) -> int:
        """Return how many runs this worker ended. A failing run is recorded and does not stop the others."""
        self._begin()
        snapshot.check(self.code)
        study = Study(self.folder)
        place = {run_id: index for index, run_id in enumerate(run_ids)}
        left = sorted((spec for spec in study.runs() if spec.run_id in place), key=lambda spec: place[spec.run_id])
        self._set_threads(left)
        notice = Notice(self._stop)
        notice.listen()
        group = task_group(self.execution.devices)
        if group and group.rank > 0:
            follow(study, self.execution, group, stop=lambda: self._stopping)
            return 0
        try:
            ended = self._train_all(study, left)
        finally:
            if group:
                group.tell(None)
        if not group and leads_others():
            self._wait_for_others(study, run_ids, notice)
        notice.pass_on()
        return ended

    def _train_all(self, study: Study, left: list[RunSpec]) -> int:
        """Train what is free until nothing more ends, and return how many runs did."""
        ended = 0
        while left:
            outcomes = [(spec, self._attempt(study, spec)) for spec in left]
            left = [spec for spec, outcome in outcomes if outcome in ("left", "again")]
            ended += sum(outcome == "ended" for _, outcome in outcomes)
            if not any(outcome in ("ended", "again") for _, outcome in outcomes):
                break  # what is left belongs to others, or waits for them, or this worker was asked to stop
        return ended

    def _wait_for_others(self, study: Study, run_ids: list[str], notice: Notice) -> None:
        """Stay while another task of this job trains, so that the notice of a time limit finds who can requeue it."""
        folders = [study.run_folder(run_id) for run_id in run_ids]
        while not notice.has_come and any(map(is_running, folders)):
            time.sleep(POLL_S)

    def checkpoint(self, run_ids: list[str]) -> Any:
        """Return what submitit requeues after a time limit or a preemption; every run has its own checkpoint."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, run_ids)

    def _begin(self) -> None:
        self._stopping, self._started, self._ending = False, time.monotonic(), Ending()
        self._interrupted: str | None = None

    def _attempt(self, study: Study, spec: RunSpec) -> str:
        """Train one run if it is free.

        Return ended, gone (it has a record, or no attempts left), left (for others, or for the next call) or again.
        """
        if self._stopping or not parent_is_ready(study, spec):
            return "left"
        try:
            with run_lock(study.run_folder(spec.run_id)) as held:
                if not held:
                    return "left"
                return self._train(study, spec) if self._is_due(study, spec) else "gone"
        except OSError as error:
            print(f"run {spec.run_id} is left: {error}", file=sys.stderr)
            self._stopping = self._stopping or is_for_all(error)
            return "left"

    def _is_due(self, study: Study, spec: RunSpec) -> bool:
        """Whether a run whose lock is held is to be trained now; a failed record that is tried again is put aside."""
        folder = study.run_folder(spec.run_id)
        record = read_or_put_aside(study, spec)
        past = read_attempts(folder)
        if record is not None and (record.state != "failed" or self.retry.get(spec.run_id) != len(past)):
            return False
        if spent(past, D_saved(folder, spec)) >= self.attempts:
            print(f"run {spec.run_id} has had its {self.attempts} attempts", file=sys.stderr)
            return False
        if record is not None:
            retire(study, record)
        return True

    def _train(self, study: Study, spec: RunSpec) -> str:
        """Train a run that is due. An interruption that is no fault of the run leaves it without a record.

        A lost process of several is tried again at once; a full disk and a GPU that failed end this worker, because
        they would take its other runs too.
        """
        print(f"{LOG_MARK}{spec.run_id}", file=sys.stderr, flush=True)
        with attempt(study, spec, self.devices) as self._ending:
            try:
                record = train_and_record(study, spec, execution=self.execution, stop=lambda step: self._stopping)
            except Exception as error:
                self._ending.failure = self._ending.failure or classify(error)
                self._ending.error = first_line(error)
                if not is_interruption(self._ending.failure) or is_end_of_job(error):
                    raise
                print(f"run {spec.run_id} is left: {first_line(error)}", file=sys.stderr)
                self._stopping = self._stopping or is_for_all(error)
                return "again" if self._ending.failure == "node_lost" and not self._stopping else "left"
            if record is None:
                self._ending.failure = self._interrupted
                return "left"
            self._ending.failure, self._ending.error = record.failure, record.error
            return "ended"

    def _set_threads(self, specs: list[RunSpec]) -> None:
        """Set the thread count before torch is loaded."""
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(max((spec.training.threads for spec in specs), default=1))

    def _stop(self, comes_back: bool) -> None:
        """End the present run after its step, with a checkpoint; a job that is requeued says why."""
        self._stopping = True
        if comes_back:
            timed_out = self.limit_s is not None and time.monotonic() - self._started >= 0.9 * self.limit_s
            self._interrupted = "timeout" if timed_out else "preempted"


def parent_is_ready(study: Study, spec: RunSpec) -> bool:
    """Whether the run that this one starts from, if any, has been trained to its end: no other leaves weights."""
    parent = spec.training.init_from
    if parent is None:
        return True
    try:
        record = read_json(study.run_folder(parent) / "record.json")
        return record.get("state") == "done" and "simulated" not in record.get("flags", ())
    except (UsageError, AttributeError):
        return False


def read_or_put_aside(study: Study, spec: RunSpec) -> RunRecord | None:
    """Return the record of a run whose lock is held; one that cannot be read is renamed, and the run has none."""
    try:
        return read_record(study, spec)
    except UsageError as error:
        path = study.run_folder(spec.run_id) / "record.json"
        aside = path.with_name(f"record.json.unreadable-{time.time_ns()}")
        path.rename(aside)
        print(f"warning: {error}; it is now {aside.name} and the run is trained again", file=sys.stderr)
        return None


def train_and_record(
    study: Study,
    spec: RunSpec,
    *,
    stop: Callable[[int], bool] = lambda step: False,
    execution: Execution | None = None,
) -> RunRecord | None:
    """Train a run whose lock is held; return its record, or None where it was interrupted.

    More than one device means as many processes, which are started here unless this is one of them.

    Whatever goes wrong becomes the record `failed` with its class and the reason in one line, and the traceback in
    error.txt; except what is no fault of the run: submitit's end of a job, a full disk and the loss of one of several
    processes are passed on, without a record.
    """
    from jobs.training.device.distributed import leave
    from jobs.training.device.environment import device, environment, now
    from jobs.training.loop import Interrupted, train

    started = now()
    snapshot.remember()
    try:
        if execution is not None and execution.devices > 1 and not is_rank():
            return launch(study, spec, execution, stop=stop)
        record = train(study, spec, stop=stop, execution=execution)
        leave()
        return record
    except Interrupted:
        leave()
        return None
    except Exception as error:
        folder = study.run_folder(spec.run_id)
        told = error_told(folder) if is_rank() else None
        failure = classify(error, told)
        if is_end_of_job(error) or (is_interruption(failure) and is_first()):
            if is_rank() and told is None:  # the worker that started this process only sees that it ended
                with suppress(OSError):
                    write_text(folder / "error.txt", explained(error))
            raise
        if not isinstance(error, UsageError):
            print(traceback.format_exc(), file=sys.stderr)
        if not is_first():
            if told is None:
                write_text(folder / "error.txt", explained(error))
            time.sleep(GRACE_S)
            raise
        seen = last_row(folder / "metrics.jsonl")
        record = RunRecord(
            spec=spec,
            state="failed",
            D_seen=seen.get("D", 0),
            wall_s=seen.get("wall_s", 0.0),
            environment=environment(device(), started),
            failure=failure,
            error=str(error) if isinstance(error, UsageError) else told or first_line(error),
        )
        write_text(folder / "error.txt", explained(error))
        write_record(study, record)
        return record


def is_end_of_job(error: Exception) -> bool:
    """Whether this is how submitit ends a job that may not be requeued."""
    from submitit.core.utils import UncompletedJobError

    return isinstance(error, UncompletedJobError)


def explained(error: Exception) -> str:
    """Return the traceback of the error that is handled, and as its last line what it says first: many say more."""
    return f"{traceback.format_exc()}\n{first_line(error)}\n"


def first_line(error: Exception) -> str:
    """Return an error as one line."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"
