"""A sweep that is disturbed: what its jobs did, and whether each run reached its undisturbed loss."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jobs.record import read_records
from planners import Study
from scaling import cli


@dataclass(frozen=True)
class Sweep:
    """A study of twelve runs to be disturbed, and the losses of the same runs without a disturbance."""

    study: Study
    losses: dict[str, float]
    trace: Path

    def __call__(self, *flags: str) -> int:
        """Run the command and return its exit code."""
        return cli.main(["sweep", str(self.study.folder), *flags])

    def events(self) -> list[tuple[str, str, int]]:
        """Return what the jobs did, as (event, run id, step); events are step, save and record."""
        lines = [line.split() for line in self.trace.read_text().splitlines()] if self.trace.is_file() else []
        return [(event, run_id, int(step)) for event, run_id, step in lines]

    def check(self) -> int:
        """Assert that each run was trained once to its undisturbed loss, and resumed from its newest checkpoint.

        Return how many steps were taken twice; all of them came after the newest checkpoint at the time.
        """
        records = {spec.run_id: record for spec, record in read_records(self.study)}
        assert {run_id: record.loss if record else None for run_id, record in records.items()} == self.losses
        recorded = Counter(run_id for event, run_id, _ in self.events() if event == "record")
        assert recorded == dict.fromkeys(self.losses, 1)
        return sum(self.repeated(run_id, records[run_id].spec.training.steps) for run_id in records)

    def repeated(self, run_id: str, steps: int) -> int:
        """Return how many steps a run took twice; assert that it took all, and none twice that a checkpoint held."""
        due, saved, repeated = 0, 0, 0
        for event, _, step in (entry for entry in self.events() if entry[1] == run_id):
            if event == "save":
                saved = step
            elif event == "step":
                if step != due:
                    assert step == saved, f"{run_id} took step {step} again, with a checkpoint of step {saved}"
                    repeated += due - step
                due = step + 1
        assert due == steps
        return repeated

    def resumed(self) -> int:
        """Return how many runs were resumed after an interruption."""
        return sum(record is not None and "resumed" in record.flags for _, record in read_records(self.study))


def until(ready: Callable[[], object], seconds: float = 300) -> None:
    """Wait until a condition holds; fail if it does not in time."""
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
