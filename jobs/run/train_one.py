"""One run from its lock to its record: trained, and its failure recorded.

python -m jobs.run.train_one FOLDER RUN_ID EXECUTION is one process of a run on several devices. `jobs.run.ranks` starts
it, with the environment variables of torch.distributed.
"""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress

from jobs import snapshot
from jobs.execution import Execution
from jobs.failures import classify, is_interruption
from jobs.machine import utc_now
from jobs.record import RunRecord, write_record
from jobs.run.error_text import first_line, read_error, write_error
from jobs.run.ranks import GRACE_S, is_first, is_rank, launch
from planners.records.errors import UsageError
from planners.records.files import last_numbers
from planners.records.json import from_json
from planners.spec import RunSpec
from planners.study import Study


def train_and_record(
    study: Study,
    spec: RunSpec,
    *,
    stop: Callable[[int], bool] = lambda step: False,
    execution: Execution | None = None,
) -> RunRecord | None:
    """Train a run whose lock the caller holds; return its record, or None if `stop` interrupted it.

    `stop` is called after each optimizer step with its number. With more than one device this starts as many processes,
    unless it is itself one of them.

    A failure becomes a record with state `failed`, its class and a one-line reason; `error.txt` has the traceback.
    Interruptions are raised, without a record, because they are not a fault of the run: submitit's end of a job, a full
    disk, the loss of one of several processes.
    """
    started = utc_now()
    snapshot.fix()  # before training: the record names the code that was loaded, not the code at the end
    try:
        if execution is not None and execution.devices > 1 and not is_rank():
            return launch(study, spec, execution, stop=stop)
        return _train_here(study, spec, stop, execution)
    except Exception as error:
        reported = read_error(study.run_folder(spec.run_id)) if is_rank() else None
        failure = classify(error, reported)
        if is_end_of_job(error) or (is_interruption(failure) and is_first()):
            # the worker that started this process sees only its exit code, so the reason goes into the file
            if is_rank() and reported is None:
                with suppress(OSError):  # perhaps the disk is full
                    write_error(study.run_folder(spec.run_id), error)
            raise
        if not isinstance(error, UsageError):
            print(traceback.format_exc(), file=sys.stderr)
        if not is_first():
            _leave_record_to_first(study, spec, error, reported)
            raise
        return _record_failure(study, spec, error, failure, reported, started)


def is_end_of_job(error: Exception) -> bool:
    """Whether submitit raised this to end a job that it will not requeue."""
    from submitit.core.utils import UncompletedJobError

    return isinstance(error, UncompletedJobError)


def _train_here(
    study: Study, spec: RunSpec, stop: Callable[[int], bool], execution: Execution | None
) -> RunRecord | None:
    """Train in this process. An exception skips `leave`: other processes may be gone, and leaving waits for them."""
    from jobs.training.device.distributed import leave
    from jobs.training.loop import Interrupted, train

    try:
        record = train(study, spec, stop=stop, execution=execution)
    except Interrupted:
        record = None
    leave()
    return record


def _leave_record_to_first(study: Study, spec: RunSpec, error: Exception, reported: str | None) -> None:
    """Tell rank 0 why this process fails, and stay until it has written the record: our exit ends it soon after."""
    if reported is None:  # the first error is the cause, later ones are its consequences
        write_error(study.run_folder(spec.run_id), error)
    time.sleep(GRACE_S)


def _record_failure(
    study: Study, spec: RunSpec, error: Exception, failure: str, reported: str | None, started: str
) -> RunRecord:
    """Write `error.txt`, then the record `failed`, and return the record."""
    from jobs.training.device.environment import device, environment

    folder = study.make_run_folder(spec.run_id)
    last = last_numbers(folder / "metrics.jsonl")
    record = RunRecord(
        spec=spec,
        state="failed",
        D_seen=last.get("D", 0),
        wall_s=last.get("wall_s", 0.0),
        environment=environment(device(), started),
        failure=failure,
        error=str(error) if isinstance(error, UsageError) else reported or first_line(error),
    )
    write_error(folder, error)
    write_record(study, record)
    return record


def main() -> int:
    """Train as one process of a run; return 1 if the run failed, which ends the other processes too."""
    folder, run_id, settings = sys.argv[1:]
    study = Study(folder)
    spec = next(spec for spec in study.runs() if spec.run_id == run_id)
    parent, stopping = os.getppid(), []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    try:
        record = train_and_record(
            study,
            spec,
            execution=from_json(Execution, json.loads(settings)),
            # another parent means that ours died: nobody watches this process any more
            stop=lambda step: bool(stopping) or os.getppid() != parent,
        )
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 1 if record is not None and record.state == "failed" else 0


if __name__ == "__main__":
    sys.exit(main())
