"""python -m jobs.run.rank_process FOLDER RUN_ID EXECUTION: one process of a run on several devices.

`jobs.run.ranks` starts it, with the environment variables of torch.distributed.
"""

import json
import os
import signal
import sys

from jobs.execution import Execution
from jobs.run.train_one import train_and_record
from planners.records.errors import UsageError
from planners.records.json import from_json
from planners.study import Study


def main() -> int:
    """Train as one process of a run; return 1 if the run failed, which ends the other processes too."""
    folder, run_id, settings = sys.argv[1:]
    study = Study(folder)
    spec = next(spec for spec in study.runs() if spec.run_id == run_id)
    parent, stopping = os.getppid(), []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))
    try:
        record = train_and_record(
            study,
            spec,
            execution=from_json(Execution, json.loads(settings)),
            # another parent means that ours died: nobody watches this process any more
            stop=lambda step: bool(stopping) or os.getppid() != parent,
        )
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 1 if record is not None and record.state == "failed" else 0


if __name__ == "__main__":
    sys.exit(main())
