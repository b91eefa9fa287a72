"""The processes (ranks) of a run on several devices: started here, watched until they end.

`launch` starts one process per device of this machine, and they train the run together; rank 0 writes its files. In a
task group of Slurm, each task starts one of the processes: the first task owns the run and announces where to connect,
the others `join`. Each run gets new processes, so one that breaks takes no other run with it. The owner holds the lock
of the run and its process inherits it, so the lock holds as long as either is alive.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

from jobs.execution import Execution, check_shares
from jobs.failures import LostProcess
from jobs.machine import check_devices
from jobs.record import RunRecord, read_record
from jobs.run.error_text import read_error, remove_error
from jobs.run.task_group import Rendezvous, TaskGroup, free_port, task_group
from planners.records.errors import UsageError
from planners.records.files import last_numbers
from planners.records.json import to_json
from planners.spec import RunSpec, Training
from planners.study import Study

RANKS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
"""Variables of torch.distributed that are numbers."""
POLL_S = 0.2
"""Seconds between looks at the processes."""
GRACE_S = 5.0
"""Seconds that rank 0 has to write its record after another process failed; then all are killed."""


def is_rank() -> bool:
    """Whether this process is one of several that torch.distributed connects."""
    return "WORLD_SIZE" in os.environ and "RANK" in os.environ


def is_first() -> bool:
    """Whether this process writes the files of the run: it is rank 0, or the only process."""
    return not is_rank() or os.environ["RANK"] == "0"


def check_processes(execution: Execution, training: Training) -> None:
    """Raise UsageError if a run has more processes than this machine has devices, or cannot divide its batch.

    Raises it too for a variable of torch.distributed that is not a number. The processes are the ones started together
    with this one (torchrun), else the ones that `launch` would start.
    """
    for name in RANKS:
        if not re.fullmatch("[0-9]+", os.environ.get(name, "0")):
            raise UsageError(f"{name} is {os.environ[name]!r}, not a number; unset it, or start the run with torchrun")
    if task_group(execution.devices) is None:
        check_devices(int(os.environ.get("LOCAL_WORLD_SIZE", execution.devices)))
    check_shares(int(os.environ.get("WORLD_SIZE", execution.devices)), training)


def launch(
    study: Study, spec: RunSpec, execution: Execution, *, stop: Callable[[int], bool] = lambda step: False
) -> RunRecord | None:
    """Train a run in `execution.devices` processes; return its record, or None if `stop` ended it early.

    `stop` is called with the number of optimizer steps taken. Raises UsageError if the devices do not suffice, and
    RuntimeError if a process failed and none wrote a record.
    """
    check_processes(execution, spec.training)
    folder = study.run_folder(spec.run_id)
    remove_error(folder)
    group = task_group(execution.devices)
    rendezvous = Rendezvous(run_id=spec.run_id, host=group.host if group else "127.0.0.1", port=free_port())
    if group:
        group.announce(rendezvous)
    devices = execution.devices
    places = [group] if group else [TaskGroup.on_this_machine(rank, devices) for rank in range(devices)]
    processes = [start(study, rendezvous, execution, place) for place in places]
    stopped = watch(
        processes,
        stop=lambda: stop(last_numbers(folder / "metrics.jsonl").get("step", 0)),
        broken=lambda: group is not None and group.is_broken(rendezvous),
    )
    if group and processes[0].returncode != 0:
        group.mark_broken(rendezvous)
    record = read_record(study, spec)
    if record is None and not stopped:
        if error := read_error(folder):
            raise RuntimeError(error)
        codes = ", ".join(str(process.returncode) for process in processes)
        raise LostProcess(f"the processes of the run ended without a record (exit codes {codes})")
    return record


def join(study: Study, execution: Execution, group: TaskGroup, stop: Callable[[], bool]) -> None:
    """Start this task's process of each run that the first task announces, until there are no more runs."""
    for rendezvous in group.announced():
        process = start(study, rendezvous, execution, group)
        watch([process], stop=stop, broken=partial(group.is_broken, rendezvous))
        if process.returncode != 0:
            group.mark_broken(rendezvous)


def start(study: Study, rendezvous: Rendezvous, execution: Execution, place: TaskGroup) -> subprocess.Popen[bytes]:
    """Start one process of a run."""
    connection = {
        "MASTER_ADDR": rendezvous.host,
        "MASTER_PORT": rendezvous.port,
        "RANK": place.rank,
        "WORLD_SIZE": place.size,
        "LOCAL_RANK": place.local_rank,
        "LOCAL_WORLD_SIZE": place.local_size,
    }
    arguments = (str(study.folder), rendezvous.run_id, json.dumps(to_json(execution)))
    # close_fds=False: the process inherits the lock of the run
    # start_new_session: Ctrl-C reaches only this process, which asks the others to stop at a checkpoint
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.run.train_one", *arguments],
        env={**os.environ, **{name: str(value) for name, value in connection.items()}},
        close_fds=False,
        start_new_session=True,
        preexec_fn=_ignore_job_signals,
    )


def watch(processes: list[subprocess.Popen[bytes]], stop: Callable[[], bool], broken: Callable[[], bool]) -> bool:
    """Wait for the processes and return whether `stop` ended them; if one breaks, kill the others after a grace time.

    A process may wait inside a GPU kernel for a peer that is gone; only SIGKILL ends it.
    """
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
    """Send a signal to the processes that are alive."""
    for process in processes:
        process.send_signal(number)


def _ignore_job_signals() -> None:
    """Ignore Slurm's own signals, which reach every process of a job; the task passes them on as SIGTERM."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
