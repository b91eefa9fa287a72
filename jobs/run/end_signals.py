"""Signals that announce the end of a job. The job is requeued only after its run has written a checkpoint.

submitit's own handler requeues the job at once, between any two lines of Python, without a new checkpoint. A time limit
shorter than the time between checkpoints would then repeat the same steps for ever.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

REQUEUE_WAIT_S = 3.0
"""Seconds that a job waits, after SIGTERM, for the second signal, which asks it to requeue itself."""


ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
"""Signals by which others end a sweep: kill, timeout, docker stop, a closed terminal, a batch system."""


class Ended(KeyboardInterrupt):
    """A signal asked this process to end; the argument is its number."""


@contextmanager
def as_ctrl_c() -> Iterator[None]:
    """Raise Ended at the first signal of `ENDS` inside, so that it ends a sweep as Ctrl-C does.

    An ignored signal, as under nohup, stays ignored. Does nothing outside of the main thread, which alone gets signals.
    """
    received: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:  # the workers are being stopped; a second signal must not stop that
            raise Ended(number)

    is_main = threading.current_thread() is threading.main_thread()
    ours = [number for number in ENDS if is_main and signal.getsignal(number) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


class EndSignals:
    """Handlers for the end of this job. Each signal calls `stop` with whether the job will be requeued."""

    def __init__(self, stop: Callable[[bool], object]):
        self._stop = stop
        self._asked_to_end = self._asked_to_requeue = False
        self._requeue: Any = None

    def listen(self) -> None:
        """Replace submitit's handlers in a job of submitit; other processes keep theirs."""
        executor = os.environ.get("SUBMITIT_EXECUTOR")
        if executor in ("local", "slurm"):
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                signal.signal(number, self._on_end)
        if executor == "slurm":
            from submitit.core.job_environment import JobEnvironment

            self._number = JobEnvironment._usr_sig()
            self._requeue = signal.getsignal(self._number)
            signal.signal(self._number, self._on_requeue)

    @property
    def received(self) -> bool:
        """Whether a signal has announced the end of this job."""
        return self._asked_to_end or self._asked_to_requeue

    def requeue_if_asked(self) -> None:
        """Requeue the job if a signal asked for it, which ends this process. Call it after the checkpoint.

        On preemption Slurm sends SIGTERM and the job's own signal in either order, so this waits for the second one.
        """
        if not callable(self._requeue):
            return
        deadline = time.monotonic() + REQUEUE_WAIT_S
        while self._asked_to_end and not self._asked_to_requeue and time.monotonic() < deadline:
            time.sleep(0.05)
        if self._asked_to_requeue:
            try:
                self._requeue(self._number, None)
            except subprocess.SubprocessError as error:  # after its grace time Slurm has requeued the job itself
                print(f"this job could not requeue itself: {error}", file=sys.stderr)

    def _on_end(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_end = True
        self._stop(False)

    def _on_requeue(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_requeue = True
        self._stop(True)
