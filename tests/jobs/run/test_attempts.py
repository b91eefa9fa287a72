"""Attempts at a run: which ones count, and what is written about them."""

import pytest

from jobs.run.attempts import Attempt, attempt, counted, path_of, read_attempts
from planners import Study


def tried(D_start: int, failure: str | None = None, *, ended: bool = True) -> Attempt:
    return Attempt(job=None, log=None, D_start=D_start, ended=ended, failure=failure)


def test_interruptions_after_a_new_checkpoint_do_not_count() -> None:
    killed = [tried(0, ended=False), tried(64, ended=False), tried(64, ended=False)]
    assert counted([], 0) == 0
    assert counted(killed, 64) == 2  # the first one wrote a checkpoint
    assert counted(killed, 128) == 1
    assert counted([tried(0, "preempted"), tried(64, "timeout")], 128) == 0
    assert counted([tried(0, "exception"), tried(64, "out_of_memory")], 128) == 2
    assert counted([tried(0), tried(64)], 64) == 0  # asked to stop


def test_an_attempt_is_written_whatever_happens(tiny_study: Study) -> None:
    spec = tiny_study.runs()[0]
    folder = tiny_study.run_folder(spec.run_id)
    folder.mkdir(parents=True)

    def requeued() -> None:
        with attempt(tiny_study, spec) as end:
            end.failure = "preempted"
            raise SystemExit(1)  # as submitit does to requeue

    with pytest.raises(SystemExit):
        requeued()
    with path_of(folder).open("a") as file:
        file.write('{"event": "star')  # a worker was killed inside a line
    with attempt(tiny_study, spec):
        assert [(one.failure, one.ended) for one in read_attempts(folder)] == [("preempted", True), (None, False)]
    assert [one.ended for one in read_attempts(folder)] == [True, True]


ODD = [
    *("5", "[]", "{}", 3000 * "[", '"\\ud800"', "\0"),
    *('{"event": "started", "D": "x"}', '{"event": "started", "D": -1}', '{"event": "started", "job": 7}'),
    *('{"event": "ended", "wall_s": 1e400}', '{"event": "ended", "wall_s": [1]}', '{"event": "ended", "wall_s": 1e12}'),
    *('{"event": ["ended"], "wall_s": 1}', f'{{"event": "started", "devices": {400 * "9"}}}'),
]


def test_odd_lines_are_left_out_counted_and_named(tiny_study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tiny_study.make_run_folder(tiny_study.runs()[0].run_id)
    good = ['{"event": "started", "D": 64, "job": "7"}', '{"event": "ended", "failure": "exception", "wall_s": 2}']
    path_of(folder).write_text("\n".join([good[0], *ODD, good[1]]) + "\n")
    (found,) = read_attempts(folder)
    assert (found.D_start, found.job, found.ended, found.failure, found.wall_s) == (64, "7", True, "exception", 2.0)
    assert f"{path_of(folder)}: {len(ODD)} lines cannot be read and are left out; the first is line 2" in (
        capsys.readouterr().err
    )
