"""The scheduler's notice waits for the checkpoint; then submitit requeues, if the job was asked to come back."""

import os
import signal
from collections.abc import Iterator

import pytest

from jobs import notice
from jobs.notice import Notice


class Seen:
    """What a notice called, in its order; `numbers` are sent while the job listens."""

    def __init__(self, *numbers: int):
        self.calls: list[object] = []
        signal.signal(signal.SIGUSR2, lambda number, frame: self.calls.append("requeued"))
        kept = Notice(lambda comes_back: self.calls.append(comes_back))
        kept.listen()
        for number in numbers:
            os.kill(os.getpid(), number)
        self.calls.append("checkpoint")
        kept.pass_on()


@pytest.fixture(autouse=True)
def _handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(notice, "REQUEUE_WAIT_S", 0.2)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR2)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("numbers", "calls"),
    [
        ((), ["checkpoint"]),
        ((signal.SIGUSR2,), [True, "checkpoint", "requeued"]),
        ((signal.SIGTERM, signal.SIGUSR2), [False, True, "checkpoint", "requeued"]),
        ((signal.SIGTERM,), [False, "checkpoint"]),
    ],
)
def test_a_job_of_slurm(monkeypatch: pytest.MonkeyPatch, numbers: tuple[int, ...], calls: list[object]) -> None:
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    assert Seen(*numbers).calls == calls


def test_a_job_of_this_machine_is_not_requeued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "local")
    assert Seen(signal.SIGTERM).calls == [False, "checkpoint"]


def test_a_process_that_is_no_job_keeps_its_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUBMITIT_EXECUTOR", raising=False)
    before = signal.getsignal(signal.SIGTERM)
    assert Seen().calls == ["checkpoint"]
    assert signal.getsignal(signal.SIGTERM) == before
