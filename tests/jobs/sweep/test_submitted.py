"""Submitted jobs: a worker counts as alive, a process that only reads its files does not."""

import subprocess
import time

from made_runs import local_submission

from jobs.processes import processes_with
from jobs.sweep.cluster import Cluster
from jobs.sweep.job_plan import plan_jobs
from jobs.sweep.ledger import Ledger
from jobs.sweep.submit import cancel
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
