"""The overhead of a sweep, compared with one process per run.

python benchmarks/sweep.py [--preset laptop] [--seeds 1] [--parallel 2] [--study FOLDER]

The runs of the preset on the embedded corpus are trained twice: by scaling.sweep, whose workers train many runs each,
and by one call of scaling.train per run, with as many calls at once. A run records the time of its training and
evaluation; the rest of the workers' wall time, from the start of the command to its end, is overhead. Both ways read a
prepared corpus and must reach the same losses. With few runs most of the overhead is the last run, while other workers
idle; --study prints the overhead of a larger study that one sweep has trained.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from jobs.corpora import describe
from jobs.machine import core_count
from jobs.record import read_records
from planners import Question, Study, make_plan
from planners.presets import preset
from planners.records.files import read_jsonl


@dataclass(frozen=True)
class Timing:
    """The time of one way of training."""

    wall_s: float
    """Wall time, in seconds."""
    training_s: float
    """Sum of the seconds that the runs record."""
    losses: list[float | None]
    """Loss of each run, in nats per token."""

    def overhead(self, parallel: int) -> float:
        """Return the fraction of the workers' wall time that is not training."""
        return 1 - self.training_s / (parallel * self.wall_s)


def call(*arguments: str) -> None:
    """Run a command of the toolkit."""
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr}")


def by_sweep(study: Study, parallel: int) -> None:
    """Train with one sweep."""
    call("scaling.sweep", str(study.folder), "--go", "--parallel", str(parallel), "--json")


def by_processes(study: Study, parallel: int) -> None:
    """Train each run in its own process."""
    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(lambda spec: call("scaling.train", str(study.folder), spec.run_id, "--json"), study.runs()))


def measured(way: Callable[[Study, int], None], question: Question, folder: Path, parallel: int) -> Timing:
    """Plan a study, train it in one of the ways, and return the time."""
    study = Study(folder)
    study.write(make_plan(question, describe(question.data)))
    start = time.perf_counter()
    way(study, parallel)
    wall_s = time.perf_counter() - start
    records = [record for _, record in read_records(study) if record is not None]
    return Timing(wall_s, sum(record.wall_s for record in records), [record.loss for record in records])


def of_study(study: Study) -> Timing:
    """Return the time of the sweep of a study, from the first line of its ledger to the last."""
    rows, _ = read_jsonl(study.folder / "ledger.jsonl")
    times = [datetime.fromisoformat(row["time"]) for row in rows]
    records = [record for _, record in read_records(study) if record is not None]
    wall_s = (max(times) - min(times)).total_seconds()
    return Timing(wall_s, sum(record.wall_s for record in records), [record.loss for record in records])


def say(name: str, one: Timing, parallel: int) -> None:
    """Print the time of one way of training."""
    print(
        f"{name:20} {len(one.losses)} runs, {parallel} at once: {one.wall_s:.1f} s wall time,"
        f" {one.training_s:.1f} s of training, overhead {100 * one.overhead(parallel):.1f} %",
        flush=True,
    )


def main() -> None:
    """Print both overheads and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="laptop")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--parallel", type=int, default=core_count())
    parser.add_argument("--study", type=Path, help="only print the time of the sweep of this finished study")
    flags = parser.parse_args()
    if flags.study:
        say("sweep of the study", of_study(Study(flags.study)), flags.parallel)
        return
    question = replace(preset(flags.preset), seeds=tuple(range(flags.seeds)))
    with tempfile.TemporaryDirectory() as folder:
        ways = {"scaling.sweep": by_sweep, "one process per run": by_processes}
        found = {}
        for name, way in ways.items():
            found[name] = measured(way, question, Path(folder) / way.__name__, flags.parallel)
            say(name, found[name], flags.parallel)
    sweep, processes = found.values()
    if not np.allclose(np.array(sweep.losses, float), np.array(processes.losses, float), rtol=1e-6):
        raise SystemExit("the losses differ")
    ratio = sweep.overhead(flags.parallel) / processes.overhead(flags.parallel)
    print(f"overhead of the sweep divided by the overhead of one process per run: {ratio:.2f}; losses agree")


if __name__ == "__main__":
    main()
