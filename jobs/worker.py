"""The worker: one process that trains runs until none is left that nobody else has.

Every worker of a sweep gets the same list and takes what is free, so that a quick worker takes more runs and a dead
one holds nothing up. A run is owned by the process that holds the lock of its folder; the system releases it
when that process ends, however it ends. The callable that submitit pickles is here.
"""

import errno
import fcntl
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs import snapshot
from jobs.execution import Execution
from jobs.notice import Notice
from jobs.ranks import GRACE_S, error_told, is_first, is_rank, launch
from jobs.record import RunRecord, read_record, write_record
from planners.errors import UsageError
from planners.files import last_row, write_text
from planners.spec import RunSpec
from planners.study import Study


@contextmanager
def run_lock(folder: Path) -> Iterator[bool]:
    """Hold the lock of a run folder; yields False where another process holds it. Released when the process ends.

    A reader that looks whether a run is running holds the lock for a moment, so a refusal counts on the third try.
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
    """What submitit runs: `Worker(folder)(run_ids)` trains what is free among `run_ids`, the first ones first."""

    def __init__(self, folder: str, execution: Execution | None = None, *, code: str | None = None):
        self.folder, self.execution, self.code = folder, execution or Execution(), code
        self._stopping = False

    def __call__(self, run_ids: list[str]) -> int:
        """Return how many runs this worker ended. A failing run is recorded and does not stop the others."""
        snapshot.check(self.code)
        study = Study(self.folder)
        place = {run_id: index for index, run_id in enumerate(run_ids)}
        left = sorted((spec for spec in study.runs() if spec.run_id in place), key=lambda spec: place[spec.run_id])
        self._set_threads(left)
        notice = Notice(self._stop)
        notice.listen()
        ended = 0
        while left:
            outcomes = [(spec, self._attempt(study, spec)) for spec in left]
            left = [spec for spec, outcome in outcomes if outcome == "left"]
            now = sum(outcome == "ended" for _, outcome in outcomes)
            ended += now
            if not now:
                break  # what is left belongs to others, or waits for them, or this worker was asked to stop
        notice.pass_on()
        return ended

    def checkpoint(self, run_ids: list[str]) -> Any:
        """Return what submitit requeues after a time limit or a preemption; every run has its own checkpoint."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, run_ids)

    def _attempt(self, study: Study, spec: RunSpec) -> str:
        """Train one run if it is free; return ended, gone (it has a record) or left (for others, or for the next call).

        A folder that cannot be written and a full disk leave the run without a record, so that it is taken up again.
        """
        if self._stopping:
            return "left"
        parent = spec.training.init_from
        if parent is not None and not (study.run_folder(parent) / "record.json").is_file():
            return "left"
        try:
            with run_lock(study.run_folder(spec.run_id)) as held:
                if not held:
                    return "left"
                if read_record(study, spec) is not None:
                    return "gone"
                record = train_and_record(study, spec, execution=self.execution, stop=lambda step: self._stopping)
                return "ended" if record else "left"
        except OSError as error:
            print(f"run {spec.run_id} is left: {error}", file=sys.stderr)
            return "left"

    def _set_threads(self, specs: list[RunSpec]) -> None:
        """Set the thread count before torch is loaded."""
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(max((spec.training.threads for spec in specs), default=1))

    def _stop(self) -> None:
        self._stopping = True


def train_and_record(
    study: Study,
    spec: RunSpec,
    *,
    stop: Callable[[int], bool] = lambda step: False,
    execution: Execution | None = None,
) -> RunRecord | None:
    """Train a run whose lock is held; return its record, or None where it was interrupted.

    More than one device means as many processes, which are started here unless torchrun started this one.

    Whatever goes wrong becomes the record `failed` with the reason in one line, and the traceback in error.txt; except
    what is no fault of the run: submitit's end of a job and a full disk (OSError) are passed on, without a record.
    """
    from submitit.core.utils import UncompletedJobError

    from jobs.training.distributed import leave
    from jobs.training.environment import device, environment, now
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
    except UncompletedJobError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        if not isinstance(error, UsageError):
            print(traceback.format_exc(), file=sys.stderr)
        folder = study.run_folder(spec.run_id)
        told = error_told(folder) if is_rank() else None
        if not is_first():
            if told is None:
                write_text(folder / "error.txt", traceback.format_exc())
            time.sleep(GRACE_S)
            raise
        seen = last_row(folder / "metrics.jsonl")
        record = RunRecord(
            spec=spec,
            state="failed",
            D_seen=seen.get("D", 0),
            wall_s=seen.get("wall_s", 0.0),
            environment=environment(device(), started),
            error=str(error) if isinstance(error, UsageError) else told or _first_line(error),
        )
        write_text(folder / "error.txt", traceback.format_exc())
        write_record(study, record)
        return record


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"
