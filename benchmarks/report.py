"""Time and size of a report of a large study: 500 runs with 2,000 metric lines each.

python benchmarks/report.py [--runs R] [--lines L]

The records and loss curves are simulated; what is timed is reading, checking, drawing and writing.
"""

import argparse
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from planners import Question, preset
from reports import write_report
from reports.gallery.simulated_sample import write_sample


def main() -> None:
    """Make a study, report it and print time and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--lines", type=int, default=2000)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study = write_sample(Path(folder) / "large", question(flags.runs), laws=["cubic"], points=flags.lines)
        wall, busy = time.perf_counter(), time.process_time()
        report = write_report(study)
        wall, busy = time.perf_counter() - wall, time.process_time() - busy
        size = (report.folder / "report.html").stat().st_size
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        whole = sum((report.folder / name).stat().st_size for name in report.files)
        runs = len(study.runs())
    print(f"{runs} runs x {flags.lines} lines: {wall:.1f} s ({busy:.1f} s of processor), ", end="")
    print(f"HTML {size / 1e6:.2f} MB, all files {whole / 1e6:.1f} MB, peak memory {peak:.0f} MB")


def question(runs: int) -> Question:
    """Return a question of about `runs` runs: 5 budgets, 10 arms, and as many seeds as that needs."""
    return replace(
        preset("smoke"),
        study="large",
        budgets=(5e11, 1e12, 2e12, 4e12, 8e12),
        seeds=tuple(range(max(1, runs // 50))),
        top_ks=(0, 1, 2, 3, 4, 6, 8, 12, 16, 24),
        margin=0.005,
    )


if __name__ == "__main__":
    main()
