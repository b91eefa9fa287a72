"""python -m jobs.run.ranks FOLDER RUN_ID EXECUTION, started once a device with the environment of torch.distributed

One run on several devices: `launch` starts a process for each device of this machine, and they train it together; the
first one writes. In a task group of Slurm each task starts one of the processes: the first task owns the run and tells
the others where to meet, and they `follow`. Processes of a run are new for each run, so that one that breaks takes no
other with it. The owner holds the lock of the run; its process inherits it, so it holds as long as either lives.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from jobs.execution import Execution, check_shares
from jobs.machine import check_devices
from jobs.record import RunRecord, read_record
from jobs.run.task_group import Group, Meeting, free_port, task_group
from planners.records.errors import UsageError
from planners.records.files import last_row
from planners.records.json import from_json, to_json
from planners.spec import RunSpec, Training
from planners.study import Study

POLL_S = 0.2
"""Seconds between looks at the processes."""
GRACE_S = 5.0
"""Seconds that a failing process leaves the first one to write its record, before all of them are ended."""


def is_rank() -> bool:
    """Whether this process is one of those that torch.distributed connects."""
    return "WORLD_SIZE" in os.environ and "RANK" in os.environ


def is_first() -> bool:
    """Whether this process writes: it is alone, or the first one."""
    return not is_rank() or os.environ["RANK"] == "0"


def check_processes(execution: Execution, training: Training) -> None:
    """Raise UsageError where the processes of a run are more than this machine's devices, or cannot share its batch.

    They are those that were started with this one, or those that `launch` would start.
    """
    if task_group(execution.devices) is None:
        check_devices(int(os.environ.get("LOCAL_WORLD_SIZE", execution.devices)))
    check_shares(int(os.environ.get("WORLD_SIZE", execution.devices)), training)


def launch(
    study: Study, spec: RunSpec, execution: Execution, *, stop: Callable[[int], bool] = lambda step: False
) -> RunRecord | None:
    """Train a run on `execution.devices` processes and return its record, or None where it was asked to stop.

    Raises UsageError where that cannot be, and RuntimeError where a process was lost and none left a record.
    """
    check_processes(execution, spec.training)
    folder = study.run_folder(spec.run_id)
    forget_error(folder)
    group = task_group(execution.devices)
    meeting = Meeting(run_id=spec.run_id, host=group.host if group else "127.0.0.1", port=free_port())
    if group:
        group.tell(meeting)
    places = [group] if group else [Group.here(rank, execution.devices) for rank in range(execution.devices)]
    processes = [start(study, meeting, execution, place) for place in places]
    stopped = watch(
        processes,
        stop=lambda: stop(last_row(folder / "metrics.jsonl").get("step", 0)),
        broken=lambda: group is not None and group.is_broken(meeting),
    )
    if group and processes[0].returncode != 0:
        group.tell_broken(meeting)
    record = read_record(study, spec)
    if record is None and not stopped:
        codes = ", ".join(str(process.returncode) for process in processes)
        raise RuntimeError(error_told(folder) or f"the processes of the run ended without a word (exit codes {codes})")
    return record


def follow(study: Study, execution: Execution, group: Group, stop: Callable[[], bool]) -> None:
    """Start this task's process of each run that the first task tells of, until that one has no more."""
    for meeting in group.meetings():
        process = start(study, meeting, execution, group)
        watch([process], stop=stop, broken=partial(group.is_broken, meeting))
        if process.returncode != 0:
            group.tell_broken(meeting)


def start(study: Study, meeting: Meeting, execution: Execution, place: Group) -> subprocess.Popen[bytes]:
    """Start one process of a run."""
    mine = [sys.executable, "-m", "jobs.run.ranks", str(study.folder), meeting.run_id, json.dumps(to_json(execution))]
    connected = {
        "MASTER_ADDR": meeting.host,
        "MASTER_PORT": meeting.port,
        "RANK": place.rank,
        "WORLD_SIZE": place.size,
        "LOCAL_RANK": place.local_rank,
        "LOCAL_WORLD_SIZE": place.local_size,
    }
    # the lock's file is inherited; Ctrl-C reaches only this process, which asks its processes to stop
    return subprocess.Popen(
        mine,
        env={**os.environ, **{name: str(value) for name, value in connected.items()}},
        close_fds=False,
        start_new_session=True,
        preexec_fn=_ignore_notices,
    )


def watch(processes: list[subprocess.Popen[bytes]], stop: Callable[[], bool], broken: Callable[[], bool]) -> bool:
    """Wait for the processes, and return whether they were asked to stop; where one breaks, the others are ended."""
    stopped, deadline = False, float("inf")
    try:
        while any(process.poll() is None for process in processes):
            if not stopped and stop():
                stopped = True
                signal_all(processes, signal.SIGTERM)
            if deadline == float("inf") and (broken() or any(process.poll() for process in processes)):
                deadline = time.monotonic() + 2 * GRACE_S
            if time.monotonic() > deadline:
                signal_all(processes, signal.SIGKILL)
            time.sleep(POLL_S)
    except BaseException:
        signal_all(processes, signal.SIGTERM)
        for process in processes:
            process.wait()
        raise
    return stopped


def signal_all(processes: list[subprocess.Popen[bytes]], number: signal.Signals) -> None:
    """Send a signal to those that live."""
    for process in processes:
        process.send_signal(number)


def forget_error(folder: Path) -> None:
    """Remove what an earlier attempt at a run said of its end."""
    (folder / "error.txt").unlink(missing_ok=True)


def error_told(folder: Path) -> str | None:
    """Return the last line of what a process of the run told of its error; the others only see it gone."""
    try:
        return (folder / "error.txt").read_text().strip().splitlines()[-1][:300]
    except (OSError, IndexError):
        return None


def _ignore_notices() -> None:
    """A scheduler tells every process of a job of its end; the tasks pass it on to theirs as SIGTERM."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def main() -> int:
    """Train as one of the processes of a run, and return 1 where it failed, so that the others are ended."""
    from jobs.run.worker import train_and_record

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
