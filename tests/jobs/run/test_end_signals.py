"""End signals: a job is requeued only after its checkpoint, and only if Slurm asked for it."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from jobs.run import end_signals, worker
from jobs.run.end_signals import ENDS, Ended, EndSignals, as_ctrl_c
from jobs.run.run_lock import run_lock
from jobs.run.worker import Worker
from planners import Study


class Seen:
    """What the handlers called, in order; `numbers` are the signals sent to this process."""

    def __init__(self, *numbers: int):
        self.calls: list[object] = []
        signal.signal(signal.SIGUSR2, lambda number, frame: self.calls.append("requeued"))
        handlers = EndSignals(lambda will_requeue: self.calls.append(will_requeue))
        handlers.listen()
        for number in numbers:
            os.kill(os.getpid(), number)
        self.calls.append("checkpoint")
        handlers.requeue_if_asked()


@pytest.fixture(autouse=True)
def _handlers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(end_signals, "REQUEUE_WAIT_S", 0.2)
    before = {number: signal.getsignal(number) for number in (*ENDS, signal.SIGUSR2)}
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
def test_a_slurm_job_is_requeued_after_its_checkpoint(
    monkeypatch: pytest.MonkeyPatch, numbers: tuple[int, ...], calls: list[object]
) -> None:
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    assert Seen(*numbers).calls == calls


def test_a_job_of_this_machine_is_not_requeued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "local")
    assert Seen(signal.SIGTERM).calls == [False, "checkpoint"]


def test_the_first_task_stays_while_another_task_trains(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has nothing to train. It leaves when the other run has ended, or at once on a signal."""
    run_id = tiny_study.runs()[0].run_id
    monkeypatch.setattr(worker, "requeues_for_others", lambda: True)
    monkeypatch.setattr(worker, "POLL_S", 0.01)
    wait = Worker(str(tiny_study.folder))._wait_for_others
    with run_lock(tiny_study.run_folder(run_id)) as held:
        assert held
        first = threading.Thread(target=wait, args=(tiny_study, [run_id], EndSignals(print)), daemon=True)
        first.start()
        first.join(0.2)
        assert first.is_alive()
    first.join(20)
    assert not first.is_alive()
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "local")
    told = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
    begun = time.monotonic()
    told.start()
    with run_lock(tiny_study.run_folder(run_id)):
        assert Worker(str(tiny_study.folder))([run_id]) == 0
        told.cancel()
    assert time.monotonic() - begun > 0.5


def test_a_process_outside_a_job_keeps_its_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUBMITIT_EXECUTOR", raising=False)
    before = signal.getsignal(signal.SIGTERM)
    assert Seen().calls == ["checkpoint"]
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("number", ENDS)
def test_the_first_signal_ends_a_sweep_and_further_ones_do_not_disturb_it(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with as_ctrl_c():
            with pytest.raises(Ended, match=str(int(number))):
                signal.raise_signal(number)
            signal.raise_signal(number)
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with as_ctrl_c():
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(0.05)
    finally:
        signal.signal(signal.SIGHUP, before)
