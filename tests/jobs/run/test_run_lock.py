"""The lock of a run: one holder at a time, and a status check does not count as one."""

import fcntl
import threading
from pathlib import Path

from jobs.record import read_record
from jobs.run.run_lock import is_running, run_lock
from jobs.run.worker import Worker
from planners import Study


def test_a_run_locked_by_another_process_is_skipped(tiny_study: Study) -> None:
    spec = tiny_study.runs()[0]
    with run_lock(tiny_study.run_folder(spec.run_id)) as held:
        assert held
        # a second open file is a second holder, as another process would be
        with run_lock(tiny_study.run_folder(spec.run_id)) as again:
            assert not again
        assert is_running(tiny_study.run_folder(spec.run_id))
        assert Worker(str(tiny_study.folder))([spec.run_id]) == 0
    assert not is_running(tiny_study.run_folder(spec.run_id))
    assert read_record(tiny_study, spec) is None


def test_a_status_check_does_not_keep_a_worker_from_its_run(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    with open(tmp_path / "lock") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        threading.Timer(0.01, lambda: fcntl.flock(file, fcntl.LOCK_UN)).start()
        with run_lock(tmp_path) as held:
            assert held
