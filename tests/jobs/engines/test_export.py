"""Recipes of all engines: written at once, without torch, and refused or changed with the reason."""

import json
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from jobs.corpora import describe
from jobs.engines import ENGINES
from jobs.engines.engine import EngineRun
from jobs.engines.export import export_runs
from jobs.engines.parity import VERDICTS, parity
from planners import Question, Router, RunSpec, UsageError, make_plan, preset

SPEC = make_plan(replace(preset("smoke"), data=None)).runs[-1]


def with_router(**settings: object) -> RunSpec:
    return replace(SPEC, router=replace(Router(), **settings))  # type: ignore[arg-type]


REFUSED = {
    "sigmoid gates of Megatron": ("megatron", with_router(score="sigmoid"), "always renormalises"),
    "softmax bias of Megatron": ("megatron", with_router(bias_rate=1e-3), "scores of a sigmoid only"),
    "balance of torchtitan": ("torchtitan", SPEC, "it has no balance loss"),
    "shared expert of OLMo-core": ("olmo-core", SPEC, "where ours is the sum"),
    "softmax bias of transformers": ("hf", with_router(bias_rate=1e-3), "no family adds a bias"),
    "ALiBi": ("megatron", replace(SPEC, shape=replace(SPEC.shape, positions="alibi")), "neither ALiBi"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_engine_lacks_is_refused_with_the_reason_or_changed(name: str) -> None:
    engine, spec, reason = REFUSED[name]
    with pytest.raises(UsageError, match=reason) as caught:
        export_runs([spec], engine)
    assert "--changed exports it with" in str(caught.value)
    export = export_runs([spec], engine, changed=True)
    assert reason in export.changed[0]
    assert export.changed[0].startswith(f"{spec.arm} ({spec.run_id}): changed: ")


def test_a_style_that_an_engine_lacks_cannot_be_changed() -> None:
    spec = replace(SPEC, shape=replace(SPEC.shape, ffn="gelu"))
    for engine in ("megatron", "torchtitan", "olmo-core"):
        with pytest.raises(UsageError, match="its models have ffn swiglu"):
            export_runs([spec], engine, changed=True)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("name", "devices"), [("li2025-7b", 8), ("gpu-day", 1)])
def test_an_arm_of_a_published_study_is_written_without_torch(
    name: str, devices: int, engine: str, tmp_path: Path
) -> None:
    code = (
        "import sys, time; from dataclasses import replace; from planners import make_plan, preset;"
        "from jobs.engines.export import export_runs;"
        f"runs = make_plan(replace(preset({name!r}), data=None)).runs; began = time.process_time();"
        f"export = export_runs(runs[-1:], {engine!r}, devices={devices}, changed=True);"
        f"paths = export.write({str(tmp_path)!r});"
        "print(len(list(paths[0].iterdir())), time.process_time() - began, 'torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert int(shown[0]) >= 5
    assert float(shown[1]) < 2
    assert shown[2] == "False"
    [folder] = tmp_path.iterdir()
    recipe = json.loads((folder / "recipe.json").read_text())
    assert recipe["run_id"] in (folder / "run.sbatch").read_text()
    assert f"#SBATCH --gpus-per-node={devices}" in (folder / "run.sbatch").read_text()
    assert recipe["batch_sequences"] == recipe["micro_batch"] * recipe["accumulation"] * devices
    assert recipe["run_id"] in (folder / "PARITY.md").read_text()
    for script in ("run.sh", "run.sbatch"):
        assert subprocess.run(["bash", "-n", folder / script]).returncode == 0
    for module in folder.glob("*.py"):
        compile(module.read_text(), module.name, "exec")


def flag(text: str, name: str) -> str:
    """Return the value of a flag in a script."""
    return text.split(f"--{name} ", 1)[1].split()[0].strip("'\"")


def run_of(spec: RunSpec) -> EngineRun:
    return EngineRun(spec=spec)


def test_the_flags_of_megatron_are_those_of_the_run(tmp_path: Path) -> None:
    spec = replace(SPEC, training=replace(SPEC.training, schedule="wsd", lr_floor=0.0))
    [folder] = export_runs([spec], "megatron").write(tmp_path)
    text = (folder / "run.sh").read_text()
    shape, training = spec.shape, spec.training
    wanted = {
        "num-layers": shape.n_layers, "hidden-size": shape.d_model, "moe-router-topk": shape.top_k,
        "moe-ffn-hidden-size": shape.d_expert, "moe-shared-expert-intermediate-size": shape.d_shared,
        "train-iters": training.steps, "lr": training.lr, "global-batch-size": run_of(spec).windows,
        "moe-aux-loss-coeff": 0.01, "lr-decay-style": "WSD", "lr-wsd-decay-style": "minus_sqrt",
        "moe-layer-freq": "[0,1,1]", "seed": training.seed, "vocab-size": shape.vocab_size,
    }  # fmt: skip
    assert {name: flag(text, name) for name in wanted} == {name: str(value) for name, value in wanted.items()}
    assert "--moe-router-pre-softmax" in text
    assert spec.run_id in text


def test_the_index_of_megatron_is_the_token_store(tiny_question: Question, tmp_path: Path) -> None:
    """Read back after the format of Megatron: magic, version, type, counts, lengths, pointers and documents."""
    spec = make_plan(tiny_question, describe(str(tiny_question.data))).runs[0]
    run = export_runs([spec], "megatron")
    [folder] = run.write(tmp_path)
    store = run.runs[0].store
    subprocess.run([sys.executable, "data.py", store], cwd=folder, check=True)
    content = (folder / "data" / "train.idx").read_bytes()
    assert content[:9] == b"MMIDIDX\x00\x00"
    version, code, sequences, documents = struct.unpack_from("<QBQQ", content, 9)
    assert (version, code, sequences, documents) == (1, 1, 1, 2)
    length, pointer, first, last = struct.unpack_from("<iqqq", content, 34)
    assert (pointer, first, last) == (0, 0, 1)
    assert length == min(spec.training.U + 1, np.fromfile(f"{store}/train.bin", np.uint8).size)
    assert (folder / "data" / "train.bin").resolve() == Path(store, "train.bin").resolve()


def test_each_line_of_parity_names_its_engine_verdict_and_test() -> None:
    lines = parity()
    assert {line.engine for line in lines} == set(ENGINES)
    assert {line.verdict for line in lines} <= set(VERDICTS)
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    names = [line.removeprefix("def test_").partition("(")[0] for line in sources.splitlines() if "def test_" in line]
    for line in lines:
        words = line.test.replace(" ", "_")
        assert line.test == "read" or any(words in name for name in names), line
