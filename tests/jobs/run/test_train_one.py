"""Training one run: a failure becomes a record, an interruption does not, and error.txt has the reason."""

import pytest

from jobs.execution import Execution
from jobs.failures import stops_worker
from jobs.record import read_record
from jobs.run.error_text import read_error
from jobs.run.ranks import check_processes
from jobs.run.train_one import train_and_record
from planners import Study, UsageError

GPU_FAILED = RuntimeError("CUDA error: an illegal memory access was encountered")


def test_an_error_with_many_lines_keeps_its_class_between_processes(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU error ends in lines of advice; the process that started this one reads only the last line of the file."""
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
    told = read_error(folder)
    assert told == "RuntimeError: CUDA error: an illegal memory access"
    assert stops_worker(RuntimeError(told))
    assert "Traceback" in (folder / "error.txt").read_text()


def test_the_first_of_several_processes_writes_why_it_ended(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.training import loop

    def broken(*_: object, **__: object) -> None:
        raise GPU_FAILED

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setattr(loop, "train", broken)
    spec = tiny_study.runs()[0]
    tiny_study.make_run_folder(spec.run_id)
    with pytest.raises(RuntimeError, match="illegal memory"):
        train_and_record(tiny_study, spec)
    assert read_record(tiny_study, spec) is None
    told = read_error(tiny_study.run_folder(spec.run_id))
    assert told is not None
    assert stops_worker(RuntimeError(told))  # as `launch` raises it in the worker


def test_the_end_of_a_job_does_not_fail_the_run(tiny_study: Study) -> None:
    """submitit raises this error inside a step if the job has reached its time limit too often."""
    from submitit.core.utils import UncompletedJobError

    spec = tiny_study.runs()[0]

    def ended(step: int) -> bool:
        raise UncompletedJobError("Job not requeued because: timed-out too many times.")

    with pytest.raises(UncompletedJobError):
        train_and_record(tiny_study, spec, stop=ended)
    assert read_record(tiny_study, spec) is None


def test_a_variable_of_the_launcher_that_is_not_a_number_is_named(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "x")
    with pytest.raises(UsageError, match="WORLD_SIZE is 'x'"):
        check_processes(Execution(), tiny_study.runs()[0].training)
