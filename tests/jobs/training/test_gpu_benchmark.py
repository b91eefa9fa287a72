"""`benchmarks/gpu.py` runs anywhere at tiny sizes; only its numbers need a GPU."""

import importlib
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "gpu.py"


def benchmark(*flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *flags], capture_output=True, text=True)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    return importlib.import_module("gpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so() -> None:
    done = benchmark()
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "this machine has no GPU; run this on one that has\n"


def test_the_project_need_not_be_installed(tmp_path: Path) -> None:
    """Without `site`, an editable installation is not found; torch is found by its path."""
    alone = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}
    called = [sys.executable, "-S", str(SCRIPT), "--help"]
    done = subprocess.run(called, capture_output=True, text=True, env=alone, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_every_case_runs_at_a_tiny_size(tmp_path: Path) -> None:
    done = benchmark("--tiny", "--device", "cpu", "-o", str(tmp_path / "rows.jsonl"))
    assert done.returncode == 0, done.stderr
    first, *blocks = done.stdout.strip().split("\n\n")
    assert "tiny sizes, which only show that it runs" in first
    tables = [block.splitlines() for block in blocks]
    assert [len({line.count("|") for line in table}) for table in tables] == [1] * 4
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert len(rows) == 1 + sum(len(table) - 2 for table in tables)  # the same rows twice
    assert [row["kind"] for row in rows] == ["machine", *["layer"] * 4, *["model"] * 2, *["repeat"] * 2]
    by_variant = {row["variant"]: row for row in rows if row["kind"] == "layer"}
    assert set(by_variant) == {"dense, d_ff 32", "grouped", "looped", "grouped, even load"}
    assert by_variant["grouped"]["met"]
    dense, twin = (row for row in rows if row["kind"] == "model")
    assert (dense["case"], twin["case"]) == ("tiny dense", "tiny E8 K2")
    assert twin["ratio_95"][0] <= twin["ratio"] <= twin["ratio_95"][1]
    assert twin["max_load"] >= 1
    assert dense["micro_batch"] == twin["micro_batch"] == 8
    assert [row["largest_difference"] for row in rows[-2:]] == [0, 0]  # on a CPU every run repeats


def test_compiled_layers_are_measured_too(gpu: ModuleType, quick_compiler: list[torch.nn.Module]) -> None:
    """As on a GPU: each layer is one graph under bf16."""
    steps = importlib.import_module("gpu_steps")
    sizes = steps.replace(gpu.TINY, compiled=True)
    rows = list(gpu.layers(gpu.shape_of(32, 4, 1, 32), sizes, torch.device("cpu"), 0.0))
    assert [row["variant"] for row in rows] == ["dense, d_ff 32", "grouped", "looped", "grouped, even load"]
    assert rows[1]["met"]
    assert len(quick_compiler) == 3


def test_a_profile_lists_the_longest_kernels(gpu: ModuleType) -> None:
    steps = importlib.import_module("gpu_steps")
    x = torch.zeros(400, 400)
    sizes = steps.replace(gpu.TINY, kernels=3)
    assert list(steps.longest_kernels(lambda: None, gpu.TINY, torch.device("cpu"))) == []
    rows = list(steps.longest_kernels(lambda: (x @ x).add_(1), sizes, torch.device("cpu")))
    assert (rows[0]["kernel"], rows[0]["calls"]) == ("aten::mm", 1)
    assert [row["share"] for row in rows] == sorted((row["share"] for row in rows), reverse=True)
    assert 0.5 < sum(row["share"] for row in rows) <= 1


def test_a_case_without_memory_stops_no_other_case_and_no_case_begins_late(
    gpu: ModuleType, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    def measured() -> Iterator[dict]:
        yield {"kind": "repeat", "steps": 3, "largest_difference": 0.25, "ms": 1234.5, "ms_95": [1.0, 2000.0]}
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nsecond line")

    with open(tmp_path / "rows.jsonl", "w") as file:
        rows = gpu.Rows(file)
        gpu.run_case("a", measured, rows, end=float("inf"))
        assert rows.missed
        gpu.run_case("b", measured, rows, end=float("inf"))
        gpu.run_case("c", measured, rows, end=0.0)
    late = gpu.Rows(None)
    gpu.run_case("d", measured, late, end=0.0)
    assert late.missed
    written = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert [(row["case"], row["kind"]) for row in written] == [
        ("a", "repeat"), ("a", "failed"), ("b", "repeat"), ("b", "failed"), ("c", "left out"),
    ]  # fmt: skip
    out = capsys.readouterr().out
    assert "| a | 3 | 0.25 | 1,234 (1 to 2e+03) |" in out
    assert "a: failed, OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB\n" in out
    assert "c: omitted, the time limit was reached" in out


def test_real_sizes_match_their_names(gpu: ModuleType) -> None:
    steps = importlib.import_module("gpu_steps")
    for name, model in gpu.REAL.models.items():
        dense = steps.spec_of(steps.shape_of_model(model), model[-1], gpu.REAL)
        assert dense.shape.total / 1e6 == pytest.approx(float(name[:-1]), rel=0.1)
        for n_experts, top_k in gpu.REAL.twins:
            twin = steps.spec_of(steps.shape_of_model(model, n_experts, top_k), model[-1], gpu.REAL)
            router = 6 * model[1] * model[0] * n_experts
            assert twin.flops_per_token["exact"] - router == dense.flops_per_token["exact"]
            assert twin.shape.d_expert % 64 == 0  # whole tiles of the grouped product
    assert {*gpu.REAL.targets} <= {name for name, _ in gpu.cases(gpu.REAL, torch.device("cpu"), deterministic=False)}


def test_a_missed_target_is_reported(gpu: ModuleType, capsys: pytest.CaptureFixture) -> None:
    rows = gpu.Rows(None)
    rows.write({"kind": "layer", "case": "x", "variant": "grouped", "ms": 2.0, "target": 0.85, "met": True})
    assert not rows.missed
    rows.write({"kind": "layer", "case": "x", "variant": "grouped", "ms": 2.0, "target": 0.85, "met": False})
    assert rows.missed
    assert "0.85, met" in (out := capsys.readouterr().out)
    assert "0.85, missed" in out
