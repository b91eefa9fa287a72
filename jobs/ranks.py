"""python -m jobs.ranks FOLDER RUN_ID EXECUTION, which torchrun starts once a device

One run on several devices of this machine: `launch` starts torchrun, each of its processes trains its share, the first
one writes. Whoever launches holds the lock of the run; torchrun inherits it, so it holds as long as either lives.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from jobs.execution import Execution, check_shares
from jobs.machine import check_devices
from jobs.record import RunRecord, read_record
from planners.errors import UsageError
from planners.files import last_row
from planners.records import from_json, to_json
from planners.spec import RunSpec, Training
from planners.study import Study

POLL_S = 0.2
"""Seconds between looks at the processes."""
GRACE_S = 5.0
"""Seconds that a failing process leaves the first one to write its record, before torchrun ends them all."""


def is_rank() -> bool:
    """Whether torchrun started this process."""
    return "WORLD_SIZE" in os.environ and "RANK" in os.environ


def is_first() -> bool:
    """Whether this process writes: it is alone, or the first one."""
    return not is_rank() or os.environ["RANK"] == "0"


def check_processes(execution: Execution, training: Training) -> None:
    """Raise UsageError where the processes of a run are more than this machine's devices, or cannot share its batch.

    They are those that torchrun started, or those that `launch` would.
    """
    check_devices(int(os.environ.get("LOCAL_WORLD_SIZE", execution.devices)))
    check_shares(int(os.environ.get("WORLD_SIZE", execution.devices)), training)


def launch(
    study: Study, spec: RunSpec, execution: Execution, *, stop: Callable[[int], bool] = lambda step: False
) -> RunRecord | None:
    """Train a run on `execution.devices` processes and return its record, or None where it was stopped.

    `stop` is asked now and then, with the steps of the last metrics line. Raises UsageError where this machine has too
    few devices or the batch cannot be shared, and RuntimeError where a process died without leaving a record.
    """
    check_processes(execution, spec.training)
    folder = study.run_folder(spec.run_id)
    forget_error(folder)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={execution.devices}"]
    mine = ["-m", "jobs.ranks", str(study.folder), spec.run_id, json.dumps(to_json(execution))]
    # the lock's file is inherited; Ctrl-C reaches only this process, which asks torchrun to stop
    process = subprocess.Popen([*torchrun, *mine], close_fds=False, start_new_session=True)
    stopped = False
    try:
        while process.poll() is None:
            if not stopped and stop(last_row(folder / "metrics.jsonl").get("step", 0)):
                process.terminate()
                stopped = True
            time.sleep(POLL_S)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    record = read_record(study, spec)
    if record is None and not stopped:
        raise RuntimeError(error_told(folder) or f"torchrun ended with exit code {process.returncode}")
    return record


def forget_error(folder: Path) -> None:
    """Remove what an earlier attempt at a run said of its end."""
    (folder / "error.txt").unlink(missing_ok=True)


def error_told(folder: Path) -> str | None:
    """Return the last line of the traceback that a process of the run left; the others only see it gone."""
    try:
        return (folder / "error.txt").read_text().strip().splitlines()[-1][:300]
    except (OSError, IndexError):
        return None


def main() -> int:
    """Train as one of the processes of a run, and return 1 where it failed, so that torchrun ends the others."""
    from jobs.worker import train_and_record

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
            stop=lambda step: bool(stopping) or os.getppid() != parent,
        )
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 1 if record is not None and record.state == "failed" else 0


if __name__ == "__main__":
    sys.exit(main())
