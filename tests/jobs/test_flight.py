"""What counts as in flight: workers and jobs, and not whoever looks at their files."""

import subprocess
import time

from jobs.cluster import Cluster
from jobs.ledger import Ledger, Submission, new_id, now
from jobs.order import decide
from jobs.processes import boot, host, processes_with
from jobs.submit import cancel
from planners import Study


def local_submission(study: Study) -> Submission:
    """Return a submission of all runs to this machine, of which nothing is alive."""
    packs = (tuple(spec.run_id for spec in study.runs()),)
    where = {"host": host(), "boot": boot(), "pid": 2**22 + 1, "executor": "local"}
    return Submission(id=new_id(), time=now(), packs=packs, predicted_s=(1.0,), **where)  # type: ignore[arg-type]


def test_who_reads_a_log_is_no_worker(tiny_study: Study) -> None:
    submission = local_submission(tiny_study)
    Ledger(tiny_study).submitting(submission)
    Ledger(tiny_study).submitted(submission.id, [])
    log = tiny_study.cluster / submission.id / "1_0_log.err"
    log.parent.mkdir(parents=True)
    log.touch()
    reader = subprocess.Popen(["tail", "-f", str(log)], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while reader.pid not in processes_with(submission.id):  # its command line is not there at once
            assert time.monotonic() < deadline
        order = decide(tiny_study, Cluster())
        assert len(order.run_ids) == 3
        assert [run.state for run in order.statuses] == ["waiting"] * 3
        assert cancel(tiny_study) == (0, [])
        assert reader.poll() is None
    finally:
        reader.kill()
        reader.wait()
