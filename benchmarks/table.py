"""python benchmarks/table.py [--rows 240]

Time the cold start to an answer for a table of runs, each in a process of its own: without bootstrap, with 1,000 draws,
with the page, and for isoFLOP curves. Prints the CPU seconds of the process (the clock's seconds in brackets, which
other processes lengthen) next to the limit; exits 1 where the CPU seconds exceed one. `benchmarks/fitting.py` compares
the bootstrap with scipy's multi-start.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROUNDS = 2
ROOT = Path(__file__).parent.parent


def write_table(path: Path, rows: int) -> None:
    """Write runs of L = 1.82 + 482 / N^0.348 + 2085 / D^0.366 with noise: 12 budgets with equal numbers of sizes."""
    random, lines = np.random.default_rng(0), ["N,D,C,loss"]
    for C in np.geomspace(1e18, 1e21, 12):
        for N in 0.1 * C**0.5 * np.exp(np.linspace(-1, 1, rows // 12)):
            D = C / 6 / N
            loss = (1.82 + 482 / N**0.348 + 2085 / D**0.366) * np.exp(random.normal(0, 0.003))
            lines.append(f"{N:.0f},{D:.0f},{C:.6g},{loss:.5f}")
    path.write_text("\n".join(lines) + "\n")


def timed(words: list[str]) -> tuple[float, float]:
    """Return the CPU seconds and the seconds by the clock of one command."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=True, capture_output=True)
    clock, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, clock


def main() -> int:
    """Print the times; return 1 if one is above its limit."""
    flags = argparse.ArgumentParser(description="time the way from a table to an answer")
    flags.add_argument("--rows", type=int, default=240, help="rows of the table (default 240)")
    rows = flags.parse_args().rows
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    slow = 0
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "runs.csv"
        write_table(table, rows)
        fit = ["scaling.fit", "--runs", str(table), "--law", "chinchilla"]
        page = ["scaling.report", "--runs", str(table), "--law", "chinchilla", "-o", f"{folder}/page"]
        cases = {
            "answer without bootstrap": ([*fit, "--bootstrap", "0"], 1.0),
            "answer with 1,000 draws": ([*fit, "--bootstrap", "1000"], 1.5),
            "page without bootstrap": ([*page, "--bootstrap", "0"], 4.0),
            "page with 1,000 draws": ([*page, "--bootstrap", "1000"], 4.0),
            "isoFLOP curves": (["scaling.fit", "--runs", str(table), "--over", "N", "--bootstrap", "0"], 4.0),
        }
        for name, (words, limit) in cases.items():
            cpu, clock = min(timed(words) for _ in range(ROUNDS))
            slow += cpu > limit
            print(f"{name:26} {cpu:6.2f} s of CPU ({clock:.2f} s by the clock), limit {limit:g} s, {rows} rows")
    return int(bool(slow))


if __name__ == "__main__":
    sys.exit(main())
