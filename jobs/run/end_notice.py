"""The scheduler's notice that a job is about to end, kept until the run that it interrupts has its checkpoint.

submitit's own handler requeues the job in the middle of whatever Python is doing, with nothing saved since the last
checkpoint: a limit shorter than the time between checkpoints would then repeat the same steps for ever.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

REQUEUE_WAIT_S = 3.0
"""Seconds that a job which was asked to end waits for the signal that also asks it to come back."""


class Notice:
    """Signals of the end of this job: each calls `stop` with whether the job comes back; `pass_on` requeues it then."""

    def __init__(self, stop: Callable[[bool], object]):
        self._stop = stop
        self._asked_to_end = self._asked_to_come_back = False
        self._requeue: Any = None

    def listen(self) -> None:
        """Take the place of submitit's handlers, where this process is a job of it; SIGTERM alone on this machine."""
        executor = os.environ.get("SUBMITIT_EXECUTOR")
        if executor in ("local", "slurm"):
            signal.signal(signal.SIGTERM, self._end)
        if executor == "slurm":
            from submitit.core.job_environment import JobEnvironment

            self._number = JobEnvironment._usr_sig()
            self._requeue = signal.getsignal(self._number)
            signal.signal(self._number, self._come_back)

    @property
    def has_come(self) -> bool:
        """Whether this job was told of its end."""
        return self._asked_to_end or self._asked_to_come_back

    def pass_on(self) -> None:
        """Requeue the job if it was asked to come back, which ends this process.

        Of preemption Slurm tells with SIGTERM and the job's own signal, in either order, so the second is waited for.
        """
        if not callable(self._requeue):
            return
        deadline = time.monotonic() + REQUEUE_WAIT_S
        while self._asked_to_end and not self._asked_to_come_back and time.monotonic() < deadline:
            time.sleep(0.05)
        if self._asked_to_come_back:
            try:
                self._requeue(self._number, None)
            except subprocess.SubprocessError as error:  # a scheduler out of patience has requeued the job by itself
                print(f"this job did not requeue itself: {error}", file=sys.stderr)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_end = True
        self._stop(False)

    def _come_back(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_come_back = True
        self._stop(True)
