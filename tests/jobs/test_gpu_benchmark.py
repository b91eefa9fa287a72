"""benchmarks/gpu.py runs: its numbers need a GPU, its code does not."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


def benchmark(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *flags], capture_output=True, text=True)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    done = benchmark()
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "there is no GPU on this machine; run this on one that has\n"


def test_all_of_it_runs_at_a_tiny_size() -> None:
    done = benchmark("--tiny", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert "tiny sizes, which only show that it runs" in done.stdout.splitlines()[0]
    tables = [block.splitlines() for block in done.stdout.split("\n\n")[1:]]
    assert [len({line.count("|") for line in table}) for table in tables] == [1, 1, 1]
    layers, models, repeats = ([line.split(" | ") for line in table[2:]] for table in tables)
    assert {"grouped", "looped", "grouped, even load"} <= {row[1] for row in layers}
    assert len(models) == 3
    assert [row[1] for row in repeats] == ["0 nats", "0 nats"]  # on a CPU every run repeats
