"""make soak: 2,000 runs whose steps only sleep, on this machine and on Slurm: none lost, none trained twice."""

import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from private_slurm import PrivateSlurm

from jobs.corpora import describe
from jobs.record import collect
from planners import Question, Study, make_plan
from scaling import cli

pytestmark = pytest.mark.soak
ROOT = Path(__file__).parents[3]


@pytest.fixture
def many(tiny_question: Question, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """2,001 runs that take a millisecond a step."""
    study = Study(tmp_path / "many")
    question = replace(tiny_question, seeds=tuple(range(667)), eval_windows=1)
    study.write(make_plan(question, describe(str(question.data))))
    assert len(study.runs()) == 2001
    for name, value in {"TRACE": str(tmp_path / "trace"), "STEP_S": "0.001", "NO_STEP": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'tests' / 'stand_ins'}:{ROOT}")
    return study


def resident_bytes(pid: int) -> int:
    try:
        pages = (Path("/proc") / str(pid) / "statm").read_text().split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def recorded_in(trace: Path) -> Counter[str]:
    """Return how often each run wrote its record."""
    lines = trace.read_text().splitlines() if trace.is_file() else []
    return Counter(line.split()[1] for line in lines if line.startswith("record"))


def sweep(study: Study, trace: Path, *flags: str) -> list[int]:
    """Sweep to the end in a process of its own; return its memory at every second until all runs have a record."""
    command = [sys.executable, "-m", "scaling.sweep", str(study.folder), "--go", "--wait", "--json", *flags]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    memory, n = [], len(study.runs())
    while process.poll() is None:
        if len(recorded_in(trace)) < n:
            memory.append(resident_bytes(process.pid))
        time.sleep(1)
    assert process.returncode == cli.DONE
    return [size for size in memory if size]


def check(study: Study, memory: list[int], trace: Path) -> None:
    assert recorded_in(trace) == {spec.run_id: 1 for spec in study.runs()}
    third = len(memory) // 3
    assert max(memory[2 * third :]) < 1.1 * max(memory[third : 2 * third]), "the sweep grows"
    for act in (lambda: cli.main(["sweep", str(study.folder), "--status", "--json"]), lambda: collect(study)):
        clock = time.process_time()
        act()
        assert time.process_time() - clock < 2


def test_two_thousand_runs_here(many: Study, tmp_path: Path) -> None:
    check(many, sweep(many, tmp_path / "trace"), tmp_path / "trace")


def test_two_thousand_runs_on_slurm(many: Study, slurm: PrivateSlurm, tmp_path: Path) -> None:
    check(many, sweep(many, tmp_path / "trace", "--cluster", "slurm"), tmp_path / "trace")
