"""The share of a sweep that is not spent in training, against one process per run.

python benchmarks/sweep.py [--preset laptop] [--seeds 1] [--parallel 2] [--study FOLDER]

The runs of the preset on the embedded corpus are trained twice: by scaling.sweep, whose workers train
many runs each, and by one call of scaling.train per run, as many at once. What a run records as its time (training and
evaluation) is training; the rest of the workers' time on the clock, from the command's start to its end, is overhead.
Both read a corpus that has been prepared. Losses are compared: they must be equal. With few runs the last one, beside
which a worker idles, is most of the overhead; --study tells that of a study that a sweep has trained in one go.
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

from jobs.corpora import describe
from jobs.machine import core_count
from jobs.record import read_records
from planners import Question, Study, make_plan
from planners.presets import preset
from planners.records.files import read_jsonl


@dataclass(frozen=True)
class Trained:
    """What one way of training took."""

    wall_s: float
    """Seconds on the clock."""
    training_s: float
    """Seconds that the runs record, over all of them."""
    losses: list[float | None]
    """Loss of each run."""

    def overhead(self, parallel: int) -> float:
        """Return the share of the workers' time that is not training."""
        return 1 - self.training_s / (parallel * self.wall_s)


def call(*arguments: str) -> None:
    """Run a command of the toolkit."""
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr}")


def by_sweep(study: Study, parallel: int) -> None:
    """Train by a sweep."""
    call("scaling.sweep", str(study.folder), "--go", "--parallel", str(parallel), "--json")


def by_processes(study: Study, parallel: int) -> None:
    """Train each run by a process of its own."""
    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(lambda spec: call("scaling.train", str(study.folder), spec.run_id, "--json"), study.runs()))


def measured(way: Callable[[Study, int], None], question: Question, folder: Path, parallel: int) -> Trained:
    """Plan a study and train it in one of the ways."""
    study = Study(folder)
    study.write(make_plan(question, describe(question.data)))
    start = time.perf_counter()
    way(study, parallel)
    wall_s = time.perf_counter() - start
    records = [record for _, record in read_records(study) if record is not None]
    return Trained(wall_s, sum(record.wall_s for record in records), [record.loss for record in records])


def of_study(study: Study) -> Trained:
    """Return what the sweep of a study took, from the first line of its ledger to the last."""
    rows, _ = read_jsonl(study.folder / "ledger.jsonl")
    times = [datetime.fromisoformat(row["time"]) for row in rows]
    records = [record for _, record in read_records(study) if record is not None]
    wall_s = (max(times) - min(times)).total_seconds()
    return Trained(wall_s, sum(record.wall_s for record in records), [record.loss for record in records])


def say(name: str, one: Trained, parallel: int) -> None:
    """Print what one way of training took."""
    print(
        f"{name:20} {len(one.losses)} runs, {parallel} at once: {one.wall_s:.1f} s on the clock,"
        f" {one.training_s:.1f} s of training, overhead {one.overhead(parallel):.1%}",
        flush=True,
    )


def main() -> None:
    """Print both shares and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="laptop")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--parallel", type=int, default=core_count())
    parser.add_argument("--study", type=Path, help="only say what the sweep of this finished study took")
    flags = parser.parse_args()
    if flags.study:
        say("its sweep", of_study(Study(flags.study)), flags.parallel)
        return
    question = replace(preset(flags.preset), seeds=tuple(range(flags.seeds)))
    with tempfile.TemporaryDirectory() as folder:
        ways = {"scaling.sweep": by_sweep, "one process per run": by_processes}
        found = {}
        for name, way in ways.items():
            found[name] = measured(way, question, Path(folder) / way.__name__, flags.parallel)
            say(name, found[name], flags.parallel)
    sweep, processes = found.values()
    if sweep.losses != processes.losses:
        raise SystemExit("the losses differ")
    ratio = sweep.overhead(flags.parallel) / processes.overhead(flags.parallel)
    print(f"overhead of the sweep over that of one process per run: {ratio:.2f}; losses equal")


if __name__ == "__main__":
    main()
