"""Submitted jobs: a worker counts as alive, a process that only reads its files does not."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from made_runs import local_submission

from jobs.processes import processes_with, start_of
from jobs.sweep.cluster import Cluster
from jobs.sweep.job_plan import plan_jobs
from jobs.sweep.ledger import Ledger
from jobs.sweep.submit import cancel
from jobs.sweep.submitted import processes_of, submitted_jobs
from planners import Study


def test_a_process_that_reads_a_log_is_not_a_worker(tiny_study: Study) -> None:
    submission = local_submission(tiny_study)
    Ledger(tiny_study).submitting(submission)
    Ledger(tiny_study).submitted(submission.id, [])
    log = tiny_study.cluster / submission.id / "1_0_log.err"
    log.parent.mkdir(parents=True)
    log.touch()
    reader = subprocess.Popen(["tail", "-f", str(log)], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while reader.pid not in processes_with(submission.id):  # a new process has no command line for a moment
            assert time.monotonic() < deadline
        plan = plan_jobs(tiny_study, Cluster())
        assert len(plan.run_ids) == 3
        assert [run.state for run in plan.statuses] == ["waiting"] * 3
        assert cancel(tiny_study) == (0, [])
        assert reader.poll() is None
    finally:
        reader.kill()
        reader.wait()


def test_another_process_with_the_same_id_is_not_the_sweep(tiny_study: Study) -> None:
    """Process ids are given again: only the same start makes it the same process."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        where = {"executor": "debug", "pid": other.pid}
        same = local_submission(tiny_study, **where, pid_start=start_of(other.pid))
        assert processes_of(same) == [other.pid]
        Ledger(tiny_study).submitting(local_submission(tiny_study, **where, pid_start="1"))
        Ledger(tiny_study).submitting(local_submission(tiny_study, **where))
        assert len(plan_jobs(tiny_study, Cluster(kind="debug")).run_ids) == 3
        assert cancel(tiny_study) == (0, [])
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_copied_or_moved_study_owns_none_of_the_jobs(tiny_study: Study, tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        where = {"executor": "debug", "pid": other.pid, "pid_start": start_of(other.pid)}
        place = {"study": tiny_study.id(), "folder": str(tiny_study.folder.resolve())}
        Ledger(tiny_study).submitting(local_submission(tiny_study, **where, **place))
        copy = Study(shutil.copytree(tiny_study.folder, tmp_path / "copy"))
        assert submitted_jobs(copy).alive == ()
        assert cancel(copy) == (0, [])
        assert other.poll() is None
        assert len(submitted_jobs(tiny_study).alive) == 1
        moved = Study(tiny_study.folder.rename(tmp_path / "moved"))
        assert submitted_jobs(moved).alive == ()
    finally:
        other.kill()
        other.wait()


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds; fail after ten seconds."""
    for _ in range(200):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to hold within ten seconds")


def test_a_process_that_waits_for_work_in_vain_holds_no_run(tiny_study: Study) -> None:
    submission = local_submission(tiny_study)
    Ledger(tiny_study).submitting(submission)
    waiting = [sys.executable, "-c", "import time; time.sleep(60)", "-m", "submitit.local._local", submission.id]
    controller = subprocess.Popen(waiting)
    try:
        until(lambda: len(submitted_jobs(tiny_study).alive) == 1)  # its command line shows once it has started
        folder = tiny_study.cluster / submission.id
        folder.mkdir(parents=True)
        assert submitted_jobs(tiny_study).alive == ()
        (folder / f"{controller.pid}_submitted.pkl").touch()
        assert len(submitted_jobs(tiny_study).alive) == 1
    finally:
        controller.kill()
        controller.wait()
