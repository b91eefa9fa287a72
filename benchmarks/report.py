"""Time and size of a report of a large study: 500 runs with 2,000 metric lines each.

python benchmarks/report.py [--runs R] [--lines L]

The records and loss curves are made up; reading, checking, drawing and writing are what is timed.
"""

import argparse
import json
import random
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from fits import fit_study, read_table
from jobs.record import Environment, RoutingHealth, RunRecord, collect, write_record
from planners import Corpus, Data, RunSpec, Study, make_plan, preset
from reports import write_report

ENVIRONMENT = Environment(
    version="0.1", commit=None, python="3.11", torch="2.13", device="made up", host="made up",
    started="2000-01-01T00:00:00Z", ended="2000-01-01T01:00:00Z",
)  # fmt: skip
CORPUS = Corpus(
    data=Data(name="made up", fingerprint="0" * 16), vocab_size=256, train_tokens=10**12, validation_tokens=10**7
)


def main() -> None:
    """Make a study, report it and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--lines", type=int, default=2000)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study = build(Path(folder) / "large", flags.runs, flags.lines)
        wall, busy = time.perf_counter(), time.process_time()
        report = write_report(study)
        wall, busy = time.perf_counter() - wall, time.process_time() - busy
        size = (report.folder / "report.html").stat().st_size
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        whole = sum((report.folder / name).stat().st_size for name in report.files)
    print(f"{len(study.runs_made)} runs x {flags.lines} lines: {wall:.1f} s ({busy:.1f} s of processor), ", end="")
    print(f"HTML {size / 1e6:.2f} MB, all files {whole / 1e6:.1f} MB, peak memory {peak:.0f} MB")


def build(folder: Path, runs: int, lines: int) -> "Made":
    """Write a study of about `runs` runs: 5 budgets, 10 arms, as many seeds as it takes."""
    asked = replace(
        preset("smoke"), study="large", budgets=(5e11, 1e12, 2e12, 4e12, 8e12), seeds=tuple(range(max(1, runs // 50))),
        top_ks=(0, 1, 2, 3, 4, 6, 8, 12, 16, 24), margin=0.005,
    )  # fmt: skip
    study = Made(folder)
    plan = make_plan(asked, CORPUS)
    study.write(plan)
    study.runs_made = list(plan.runs)
    for spec in plan.runs:
        record = outcome(spec)
        write_record(study, record)
        (study.run_folder(spec.run_id) / "metrics.jsonl").write_text(curve(spec, record.loss or 0.0, lines))
    collect(study)
    fit_study(read_table(study.runs_csv), ["cubic"], folder=study.fits, margin=0.005)
    return study


class Made(Study):
    """A study that remembers its plan."""

    runs_made: list[RunSpec]


def outcome(spec: RunSpec) -> RunRecord:
    """Return a record with a loss that is lowest near r_a of 17 %."""
    import math

    draw = random.Random(spec.run_id)
    rise = 0.5 if spec.shape.is_dense else 0.08 * math.log(spec.r_a / 0.17) ** 2
    loss = 2.5 - 0.12 * math.log(spec.budget / 1e12) + rise + draw.gauss(0, 0.01)
    health = RoutingHealth(max_load=1.8, load_cv=0.3, dead_experts=0, dropped=0.0, entropy=0.8)
    return RunRecord(
        spec=spec, state="done", loss=loss, bpb=loss / math.log(2), train_loss=loss - 0.03, D_seen=spec.training.D,
        wall_s=spec.C / 2e9, tokens_per_s=2e4, peak_memory_bytes=400_000_000,
        routing=None if spec.shape.is_dense else health, environment=ENVIRONMENT,
    )  # fmt: skip


def curve(spec: RunSpec, loss: float, lines: int) -> str:
    """Return a loss curve that ends near `loss`."""
    draw, texts = random.Random(spec.run_id), []
    for i in range(1, lines + 1):
        mean = loss + 3 * (1 + 50 * i / lines) ** -1.2 + draw.gauss(0, 0.02)
        line = {"step": i, "D": spec.training.D * i // lines, "loss": mean, "lr": 1e-3, "grad_norm": 0.5}
        texts.append(json.dumps({**line, "tokens_per_s": 2e4, "wall_s": i / 10}))
    return "\n".join(texts) + "\n"


if __name__ == "__main__":
    main()
