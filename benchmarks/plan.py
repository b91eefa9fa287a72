"""Time and memory that planning 10,000 arms takes from a cold start, imports included.

python benchmarks/plan.py [--repeat 3]

Each case runs the command in its own process, as a user types it. The first has many runs of few shapes; the second
matches a new shape for every tenth arm; the third varies settings that share their shapes.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
RATES = ",".join(["1", *(f"{0.14 + 0.08 * i:.2f}" for i in range(9))])
SIZE = ["--total-params", "100M", "--budget", "1e18"]
CASES = {
    "200 budgets x 10 rates x 5 seeds": [
        "--total-params", "100M", "--seeds", "0,1,2,3,4",
        "--budget", ",".join(f"{1e18 * 1.03**i:.5g}" for i in range(200)),
    ],
    "1,000 N x 10 rates": [
        "--budget", "1e18", "--total-params", ",".join(f"{1e8 * 1.003**i:.6g}" for i in range(1000)),
    ],
    "5 mu x 200 z-losses x 10 rates": [
        *SIZE, "--vary", "mu=12,16,22,30,40",
        "--vary", "router.z_loss=" + ",".join(f"{1e-4 * 1.02**i:.5g}" for i in range(200)),
    ],
}  # fmt: skip


def once(flags: list[str]) -> tuple[float, float, float]:
    """Return wall seconds, CPU seconds, and peak memory in MB of one call."""
    command = [sys.executable, "-m", "scaling.plan", "--activation", RATES, *flags]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):
        raise SystemExit(f"planning failed with exit code {process.returncode}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Print one line for each case and output: the least wall time of the repeats, the median, CPU time and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    print(f"{'case':36}{'output':10}{'least s':>9}{'median s':>10}{'cpu s':>8}{'MB':>7}")
    for name, flags in CASES.items():
        for output in ("table", "--json", "-o"):
            calls = []
            for _ in range(repeat):
                with tempfile.TemporaryDirectory() as folder:
                    extra = {"table": [], "--json": ["--json"], "-o": ["-o", f"{folder}/x"]}[output]
                    calls.append(once([*flags, *extra]))
            wall, cpu, memory = zip(*calls, strict=True)
            figures = f"{min(wall):9.2f}{statistics.median(wall):10.2f}{min(cpu):8.2f}{max(memory):7.0f}"
            print(f"{name:36}{output:10}{figures}", flush=True)


if __name__ == "__main__":
    main()
