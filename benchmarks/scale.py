"""Time and memory of --status, collecting, fit and report as a study grows: 100, 1,000 and 10,000 runs.

python benchmarks/scale.py [--runs 100,1000,10000] [--lines L] [--budgets B]

The records and loss curves are simulated. Each command runs in a process of its own; its processor time
counts, start-up included, since wall time depends on what else the machine does. `LIMITS` holds for 10,000 runs.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from planners import Question, preset
from planners.records.text_table import text_table
from reports.gallery.simulated_sample import write_runs

TOP_KS = (0, 1, 2, 4, 8)
COLLECT = "import sys; from jobs.record import collect; from planners import Study; collect(Study(sys.argv[1]))"
COMMANDS = {
    "status": ["-m", "scaling.sweep", "STUDY", "--status"],
    "collect": ["-c", COLLECT, "STUDY"],
    "fit": ["-m", "scaling.fit", "STUDY"],
    "report": ["-m", "scaling.report", "STUDY"],
}
"""What is timed, in order: a report needs the fit."""
LIMITS = {"status": (2, None), "collect": (2, None), "fit": (10, None), "report": (30, 1000)}
"""Seconds of processor and megabytes that a study of 10,000 runs may take."""


def question(runs: int, budgets: int) -> Question:
    """Return a question of about `runs` runs: 5 arms at `budgets` budgets, and as many seeds as that needs."""
    seeds = tuple(range(max(1, round(runs / len(TOP_KS) / budgets))))
    costs = tuple(5e11 * 2**number for number in range(budgets))
    return replace(preset("smoke"), study="large", budgets=costs, seeds=seeds, top_ks=TOP_KS, margin=0.005)


def measured(command: list[str], study: Path) -> tuple[float, float]:
    """Run a command of the toolkit; return its processor seconds and its peak memory in megabytes."""
    words = [str(study) if word == "STUDY" else word for word in command]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "SCALING_CLUSTER": ""}
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(words)} failed")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1e3


def main() -> None:
    """Print a table of times; exit with 1 if a study of 10,000 runs exceeds a limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", default="100,1000,10000")
    parser.add_argument("--lines", type=int, default=20, help="metrics lines of a run")
    parser.add_argument("--budgets", type=int, default=1)
    flags = parser.parse_args()
    rows, slow = [], []
    for count in map(int, flags.runs.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            study = write_runs(Path(folder) / "large", question(count, flags.budgets), points=flags.lines)
            found = {name: measured(command, study.folder) for name, command in COMMANDS.items()}
            runs = len(study.runs())
        rows.append([runs, *(f"{seconds:.1f} s, {memory:.0f} MB" for seconds, memory in found.values())])
        for name, (seconds, memory) in found.items():
            most_s, most_mb = LIMITS[name]
            if runs <= 10_000 and (seconds > most_s or (most_mb and memory > most_mb)):
                slow.append(f"{name} of {runs} runs")
    print(text_table(["runs", *COMMANDS], rows))
    if slow:
        raise SystemExit(f"over the limits: {', '.join(slow)}")


if __name__ == "__main__":
    main()
