"""Attempts and failure classes: what is counted, what is kept, and what a worker does with each class."""

import errno
import json

import pytest

from jobs.failures import FAILURES, classify, is_for_all, of_state
from jobs.record import Environment, RunRecord, read_record, write_record
from jobs.run import worker
from jobs.run.attempts import Attempt, attempt, path_of, read_attempts, spent
from jobs.run.logs import run_log
from jobs.run.ranks import error_told
from jobs.run.worker import Worker, train_and_record
from jobs.sweep.status import status
from planners import RunSpec, Study, UsageError
from scaling import cli

WHERE = Environment(version="", commit=None, python="", torch="", device="", host="", started="", ended="")

CLASSES = {
    "a full disk": (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
    "a read-only disk": (OSError(errno.EROFS, "Read-only file system"), "disk_full"),
    "a full GPU": (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried"), "out_of_memory"),
    "a full machine": (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out_of_memory"),
    "no memory": (MemoryError(), "out_of_memory"),
    "a mistake": (UsageError("run x names no corpus"), "bad_data"),
    "a rank that was killed": (RuntimeError("Connection closed by peer [127.0.0.1]:1234"), "node_lost"),
    "torchrun that was killed": (RuntimeError("torchrun ended with exit code -9"), "node_lost"),
    "a lost GPU peer": (RuntimeError("NCCL error: remote process exited"), "node_lost"),
    "a GPU of two ranks": (RuntimeError("NCCL error: invalid usage, Duplicate GPU detected: rank 1"), "exception"),
    "a port that was taken": (RuntimeError("EADDRINUSE, message: address already in use"), "node_lost"),
    "a rank that never came": (RuntimeError("Timed out after 601 seconds waiting for clients. 1/2"), "node_lost"),
    "a full GPU by its library": (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"), "out_of_memory"),
    "a GPU that failed": (type("AcceleratorError", (RuntimeError,), {})("CUDA error: unspecified launch"), "node_lost"),
    "a full GPU by its driver": (RuntimeError("CUDA error: out of memory"), "out_of_memory"),
    "a rank with a full disk": (RuntimeError("OSError: [Errno 28] No space left on device"), "disk_full"),
    "a bug": (RuntimeError("shape mismatch"), "exception"),
    "a missing file": (FileNotFoundError(2, "No such file", "tokens"), "exception"),
}


@pytest.mark.parametrize(("error", "failure"), CLASSES.values(), ids=CLASSES)
def test_errors_have_classes(error: Exception, failure: str) -> None:
    assert classify(error) == failure
    assert failure in FAILURES


def test_an_error_of_many_lines_keeps_its_class_on_the_way(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a GPU says of itself ends in advice; the process that started this one reads the last line."""
    spec = tiny_study.runs()[0]
    folder = tiny_study.run_folder(spec.run_id)
    folder.mkdir(parents=True)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access\nCompile with TORCH_USE_CUDA_DSA to see more")

    monkeypatch.setattr("jobs.training.loop.train", broken)
    monkeypatch.setattr("jobs.training.device.distributed.leave", lambda: None)
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    with pytest.raises(RuntimeError):
        train_and_record(tiny_study, spec)
    told = error_told(folder)
    assert told == "RuntimeError: CUDA error: an illegal memory access"
    assert is_for_all(RuntimeError(told))
    assert "Traceback" in (folder / "error.txt").read_text()


def test_what_another_process_said_decides() -> None:
    gone = RuntimeError("Connection closed by peer")
    assert classify(gone, "ValueError: bad shape") == "exception"
    assert classify(gone, "planners.records.errors.UsageError: no corpus") == "bad_data"
    assert classify(gone, "torch.OutOfMemoryError: CUDA out of memory") == "out_of_memory"


def test_a_scheduler_has_words_for_them_too() -> None:
    assert of_state("OUT_OF_MEMORY") == "out_of_memory"
    assert of_state("CANCELLED by 1000") == of_state(None) == of_state("NODE_FAIL") == "node_lost"
    assert of_state("TIMEOUT") == "timeout"
    assert of_state("PREEMPTED") == "preempted"


def tried(D_start: int, failure: str | None = None, *, ended: bool = True) -> Attempt:
    return Attempt(started="", host="", job=None, log=None, D_start=D_start, ended=ended, failure=failure)


def test_interruptions_with_progress_are_not_counted() -> None:
    killed = [tried(0, ended=False), tried(64, ended=False), tried(64, ended=False)]
    assert spent([], 0) == 0
    assert spent(killed, 64) == 2  # the first one came to a checkpoint
    assert spent(killed, 128) == 1
    assert spent([tried(0, "preempted"), tried(64, "timeout")], 128) == 0
    assert spent([tried(0, "exception"), tried(64, "out_of_memory")], 128) == 2
    assert spent([tried(0), tried(64)], 64) == 0  # asked to stop


def test_an_attempt_is_written_down_whatever_happens(tiny_study: Study) -> None:
    spec = tiny_study.runs()[0]
    folder = tiny_study.run_folder(spec.run_id)

    def requeued() -> None:
        with attempt(tiny_study, spec) as ending:
            ending.failure = "preempted"
            raise SystemExit(1)  # how submitit leaves

    with pytest.raises(SystemExit):
        requeued()
    with path_of(folder).open("a") as file:
        file.write('{"event": "star')  # a worker killed in the middle of a line
    with attempt(tiny_study, spec):
        assert [(one.failure, one.ended) for one in read_attempts(folder)] == [("preempted", True), (None, False)]
    assert [one.ended for one in read_attempts(folder)] == [True, True]


def train_like(monkeypatch: pytest.MonkeyPatch, outcomes: list[Exception | RunRecord | str]) -> None:
    """Let runs end as `outcomes` say, the first one first: an error, a record, or a class of a failed record."""

    def train_and_record(study: Study, spec: object, **_: object) -> RunRecord:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        fields = {"state": "done", "loss": 1.0, "bpb": 1.0} if outcome == "done" else {
            "state": "failed", "failure": outcome, "error": "it broke"}  # fmt: skip
        record = RunRecord(spec=spec, D_seen=1, wall_s=1.0, environment=WHERE, **fields)  # type: ignore[arg-type]
        write_record(study, record)
        return record

    monkeypatch.setattr(worker, "train_and_record", train_and_record)


def one_run(study: Study) -> list[str]:
    return [study.runs()[0].run_id]


def test_a_lost_process_is_tried_again_within_the_bound(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = RuntimeError("Connection closed by peer")
    train_like(monkeypatch, [gone, gone, "done"])
    assert Worker(str(tiny_study.folder), attempts=3, devices=0.5)(one_run(tiny_study)) == 1
    attempts = read_attempts(tiny_study.run_folder(one_run(tiny_study)[0]))
    assert [one.failure for one in attempts] == ["node_lost", "node_lost", None]
    assert [one.devices for one in attempts] == [0.5] * 3


def test_the_bound_leaves_a_run_without_a_record(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    train_like(monkeypatch, [RuntimeError("Connection closed by peer")] * 9)
    assert Worker(str(tiny_study.folder), attempts=2)(one_run(tiny_study)) == 0
    first = status(tiny_study)[0]
    assert (first.state, first.spent, first.failure) == ("waiting", 2, "node_lost")
    assert "has had its 2 attempts" in capsys.readouterr().err


def test_a_failed_run_is_tried_again_only_where_asked_and_once(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_like(monkeypatch, ["exception", "out_of_memory", "done"])
    spec, runs = tiny_study.runs()[0], one_run(tiny_study)
    folder = tiny_study.run_folder(spec.run_id)
    assert Worker(str(tiny_study.folder))(runs) == 1
    assert Worker(str(tiny_study.folder))(runs) == 0
    assert Worker(str(tiny_study.folder), retry={spec.run_id: 1})(runs) == 1
    assert Worker(str(tiny_study.folder), retry={spec.run_id: 1})(runs) == 0  # as one that was requeued would
    record = read_record(tiny_study, spec)
    assert record is not None
    assert record.failure == "out_of_memory"
    kept = [json.loads(line) for line in path_of(folder).read_text().splitlines()]
    assert [row["record"]["failure"] for row in kept if row["event"] == "retired"] == ["exception"]
    assert Worker(str(tiny_study.folder), retry={spec.run_id: 2})(runs) == 1
    assert status(tiny_study)[0].state == "done"


def test_a_half_written_record_is_put_aside_by_who_trains(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    train_like(monkeypatch, ["done", "done"])
    runs = one_run(tiny_study)
    Worker(str(tiny_study.folder))(runs)
    path = tiny_study.run_folder(runs[0]) / "record.json"
    half = path.read_text()[:50]
    path.write_text(half)
    assert Worker(str(tiny_study.folder))(runs) == 1
    (aside,) = path.parent.glob("record.json.unreadable-*")
    assert aside.read_text() == half
    assert status(tiny_study)[0].state == "done"
    assert "trained again" in capsys.readouterr().err


def test_why_a_job_was_requeued_is_told_by_its_time(tiny_study: Study) -> None:
    early, late = Worker("x", limit_s=3600.0), Worker("x", limit_s=0.0)
    for one, failure in ((early, "preempted"), (late, "timeout"), (Worker("x"), "preempted")):
        one._stop(True)
        assert one._interrupted == failure
    asked_to_end = Worker("x", limit_s=0.0)
    asked_to_end._stop(False)
    assert asked_to_end._interrupted is None


def test_the_log_of_one_run_is_its_part_of_the_worker_s(tiny_study: Study, capsys: pytest.CaptureFixture) -> None:
    first, second, _ = (spec.run_id for spec in tiny_study.runs())
    log = tiny_study.folder / "worker_log.err"
    log.write_text(f"{worker.LOG_MARK}{first}\nmine\n{worker.LOG_MARK}{second}\nnot mine\n")
    folder = tiny_study.run_folder(first)
    folder.mkdir(parents=True)
    path_of(folder).write_text(json.dumps({"event": "started", "log": str(log)}) + "\n")
    (folder / "error.txt").write_text("Traceback\n")
    assert run_log(tiny_study, first) == ["Traceback", f"{log}:", "mine"]
    assert cli.main(["sweep", str(tiny_study.folder), "--log", first[:6]]) == cli.DONE
    assert "mine" in capsys.readouterr().out
    assert cli.main(["sweep", str(tiny_study.folder), "--log", second]) == cli.DONE
    assert "nothing yet" in capsys.readouterr().out
    assert cli.main(["sweep", str(tiny_study.folder), "--log", "zz"]) == cli.USAGE
    log.unlink()
    assert run_log(tiny_study, first)[-1] == "the log is gone"


POISON = RuntimeError("CUDA error: an illegal memory access was encountered")
FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(("error", "failure", "count"), [(POISON, "node_lost", 1), (FULL, "disk_full", 0)])
def test_what_awaits_every_run_ends_the_worker_and_takes_one(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch, error: Exception, failure: str, count: int
) -> None:
    runs = [spec.run_id for spec in tiny_study.runs()]
    train_like(monkeypatch, [error])  # of three runs; a second one would find no outcome here
    assert Worker(str(tiny_study.folder))(runs) == 0
    shown = status(tiny_study)
    assert [(run.state, run.failure, run.spent) for run in shown[1:]] == [("waiting", None, 0)] * 2
    assert (shown[0].state, shown[0].failure, shown[0].spent) == ("waiting", failure, count)
    train_like(monkeypatch, ["done"] * 3)
    assert Worker(str(tiny_study.folder))(runs) == 3


def test_a_worker_that_cannot_note_an_attempt_ends_too(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def full(study: Study, spec: RunSpec, devices: float) -> None:
        tried.append(spec.run_id)
        raise FULL

    monkeypatch.setattr(worker, "attempt", full)
    assert Worker(str(tiny_study.folder))([spec.run_id for spec in tiny_study.runs()]) == 0
    assert len(tried) == 1


def test_a_sweep_ends_on_a_full_disk(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    train_like(monkeypatch, [FULL] * 9)
    assert cli.main(["sweep", str(tiny_study.folder), "--go", "--cluster", "debug"]) == cli.GAPS
    assert sum(len(run.attempts) for run in status(tiny_study)) == 1


def test_the_first_of_several_processes_tells_why_it_left(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.run.ranks import error_told
    from jobs.training import loop

    def poisoned(*_: object, **__: object) -> None:
        raise POISON

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setattr(loop, "train", poisoned)
    spec = tiny_study.runs()[0]
    with pytest.raises(RuntimeError, match="illegal memory"):
        worker.train_and_record(tiny_study, spec)
    assert read_record(tiny_study, spec) is None
    told = error_told(tiny_study.run_folder(spec.run_id))
    assert told is not None
    assert is_for_all(RuntimeError(told))  # as `launch` raises it in the worker
