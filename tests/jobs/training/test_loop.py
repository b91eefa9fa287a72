"""A run: interrupted and resumed it equals the uninterrupted one, and every failure has a defined outcome."""

import json
import math
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jobs.failures import LostProcess, classify
from jobs.record import RunRecord, flatten, read_record
from jobs.training import checkpoint, loop, run_progress
from planners import Question, Router, RunSpec, Study, UsageError, make_plan
from planners.records.files import read_jsonl

VOLATILE = ("wall_s", "tokens_per_s", "eta_s", "memory_bytes")
OTHERS = (
    "pandas",
    "scipy",
    "statsmodels",
    "submitit",
    "datasets",
    "matplotlib",
    "jinja2",
    "tqdm",
    "tokenizers",
    "pyarrow",
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def outcome(record: RunRecord) -> dict:
    """Return the part of a record that must not depend on interruptions."""
    row = flatten(record)
    volatile = ("wall_s", "tokens_per_s", "peak_memory_bytes", "environment", "flags")
    return {name: value for name, value in row.items() if not name.startswith(volatile)}


def weights(study: Study, spec: RunSpec) -> dict[str, torch.Tensor]:
    state = checkpoint.load_newest(study.run_folder(spec.run_id) / "checkpoint", spec.run_id)
    assert state is not None
    moments = [value for values in state["optimizer"]["state"].values() for value in values.values()]
    return {**state["model"], **{f"moment {index}": moment for index, moment in enumerate(moments)}}


def metrics(study: Study, spec: RunSpec) -> list[dict]:
    rows, torn = read_jsonl(study.run_folder(spec.run_id) / "metrics.jsonl")
    assert not torn
    return [{name: row[name] for name in row if name not in VOLATILE} for row in rows]


def copy_of(study: Study, folder: Path) -> Study:
    folder.mkdir()
    for name in ("study.json", "plan.jsonl"):
        (folder / name).write_bytes((study.folder / name).read_bytes())
    return Study(folder)


def test_slow_checkpoints_are_rarer_and_do_not_count_as_training(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = []

    def slow(*_: object) -> None:
        saved.append(time.sleep(0.2))

    monkeypatch.setenv("SCALING_CHECKPOINT_S", "0.001")
    monkeypatch.setattr(checkpoint, "save", slow)
    begun = time.monotonic()
    record = loop.train(tiny_study, tiny_study.runs()[0])
    assert len(saved) <= 2 + (time.monotonic() - begun) * run_progress.SAVING / 0.2
    assert record.wall_s < time.monotonic() - begun - 0.2 * len(saved)


def test_processes_with_different_checkpoints_stop(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop.Ranks, "first", lambda self, value: value + 1)
    with pytest.raises(LostProcess, match="found different checkpoints") as error:
        loop.train(tiny_study, tiny_study.runs()[0])
    assert classify(error.value) == "node_lost"  # which is tried again


@pytest.mark.parametrize("arm", [0, 2], ids=["dense", "moe"])
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(tiny_study: Study, tmp_path: Path, arm: int) -> None:
    spec = tiny_study.runs()[arm]
    whole = loop.train(tiny_study, spec)
    assert whole.state == "done"
    other = copy_of(tiny_study, tmp_path / "other")
    for steps in (1, 7, 3):  # stopped after any number of steps, three times
        taken: list[int] = []
        with pytest.raises(loop.Interrupted):
            loop.train(other, spec, stop=lambda _, taken=taken, steps=steps: taken.append(1) or len(taken) == steps)
    resumed = loop.train(other, spec)
    assert outcome(resumed) == outcome(whole)
    assert resumed.flags[0] == "resumed"
    assert metrics(other, spec) == metrics(tiny_study, spec)
    first, second = weights(tiny_study, spec), weights(other, spec)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_jitter_and_bias_resume_bit_for_bit(tiny_question: Question, tmp_path: Path) -> None:
    from jobs.corpora import describe

    asked = replace(tiny_question, router=Router(jitter=0.1, bias_rate=0.01, capacity_factor=1.2, z_loss=0.001))
    studies = [Study(tmp_path / name) for name in ("a", "b")]
    for study in studies:
        study.write(make_plan(asked, describe(str(asked.data))))
    spec = studies[0].runs()[2]
    whole = loop.train(studies[0], spec)
    taken: list[int] = []
    with pytest.raises(loop.Interrupted):
        loop.train(studies[1], spec, stop=lambda _: taken.append(1) or len(taken) == 11)
    assert whole.routing is not None
    assert 0 < whole.routing.dropped < 0.9
    assert outcome(loop.train(studies[1], spec)) == outcome(whole)
    assert all(torch.equal(a, b) for a, b in zip(*(weights(study, spec).values() for study in studies), strict=True))


def test_a_torn_checkpoint_is_skipped_with_a_warning(
    tiny_study: Study, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    spec = tiny_study.runs()[1]
    whole = loop.train(tiny_study, spec)
    other = copy_of(tiny_study, tmp_path / "other")
    for steps in (5, 6):
        taken: list[int] = []
        with pytest.raises(loop.Interrupted):
            loop.train(other, spec, stop=lambda _, taken=taken, steps=steps: taken.append(1) or len(taken) == steps)
    newest = sorted((other.run_folder(spec.run_id) / "checkpoint").iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:2000])
    assert outcome(loop.train(other, spec)) == outcome(whole)
    assert "skipped" in capsys.readouterr().err


def test_a_new_checkpoint_replaces_unreadable_later_ones(tiny_study: Study) -> None:
    spec = tiny_study.runs()[0]
    folder = tiny_study.run_folder(spec.run_id) / "checkpoint"
    folder.mkdir(parents=True)
    for step in (30, 40):
        (folder / f"step-{step:09d}.pt").write_bytes(b"torn")
    (folder / ".step-000000050.pt.abcd").write_bytes(b"left by a killed write")
    with pytest.raises(loop.Interrupted):
        loop.train(tiny_study, spec, stop=lambda step: step == 10)
    assert [path.name for path in folder.iterdir()] == ["step-000000010.pt"]
    assert loop.train(tiny_study, spec).flags == ("resumed",)


def test_the_training_loss_is_the_mean_of_the_last_tenth(tiny_study: Study) -> None:
    spec = tiny_study.runs()[1]
    record = loop.train(tiny_study, spec)
    rows = metrics(tiny_study, spec)
    assert len(rows) <= 100
    steps = spec.training.steps
    last = [row["loss"] for row in rows if row["step"] > steps - -(-steps // 10)]  # here a line is a step
    assert len(rows) == steps
    assert record.train_loss == pytest.approx(sum(last) / len(last))


def test_the_checkpoint_of_another_run_is_refused(tiny_study: Study) -> None:
    dense, moe, _ = tiny_study.runs()
    folder = tiny_study.run_folder(dense.run_id) / "checkpoint"
    folder.parent.mkdir(parents=True)
    checkpoint.save(folder, 3, moe.run_id, {})
    with pytest.raises(UsageError, match="not a checkpoint of run"):
        loop.train(tiny_study, dense)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_hostile_checkpoint_is_not_executed(tiny_study: Study, tmp_path: Path) -> None:
    import pickle

    marker = tmp_path / "executed"

    class Hostile:
        def __reduce__(self) -> tuple:
            return Path.touch, (marker,)

    spec = tiny_study.runs()[0]
    folder = tiny_study.run_folder(spec.run_id) / "checkpoint"
    folder.mkdir(parents=True)
    (folder / "step-000000009.pt").write_bytes(pickle.dumps(Hostile()))
    assert loop.train(tiny_study, spec).state == "done"
    assert not marker.exists()


def test_a_run_with_a_non_finite_loss_ends_as_diverged(tiny_question: Question, tmp_path: Path) -> None:
    from jobs.corpora import describe

    study = Study(tmp_path / "hot")
    study.write(make_plan(replace(tiny_question, lr=1e30), describe(str(tiny_question.data))))
    spec = study.runs()[0]
    record = loop.train(study, spec)
    assert (record.state, record.loss) == ("diverged", None)
    assert "not finite" in str(record.error)
    assert read_record(study, spec) == record
    assert json.loads((study.run_folder(spec.run_id) / "record.json").read_text())["loss"] is None


def test_bf16_trains_and_stays_near_fp32(tiny_question: Question, tmp_path: Path) -> None:
    from jobs.corpora import describe

    losses = {}
    for precision in ("fp32", "bf16"):
        study = Study(tmp_path / precision)
        study.write(make_plan(replace(tiny_question, precision=precision), describe(str(tiny_question.data))))
        losses[precision] = loop.train(study, study.runs()[2]).loss
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.02)
    assert losses["bf16"] != losses["fp32"]


def test_a_run_starts_from_the_weights_of_its_parent(tiny_study: Study) -> None:
    parent = tiny_study.runs()[1]
    names = ("study", "arm", "shape", "router", "data", "recipe", "flops_convention", "target")
    given = {name: getattr(parent, name) for name in names}
    child = RunSpec.build(**given, training=replace(parent.training, init_from=parent.run_id))
    assert child.run_id != parent.run_id
    with pytest.raises(UsageError, match="no final checkpoint"):
        loop.train(tiny_study, child)
    taken: list[int] = []
    with pytest.raises(loop.Interrupted):
        loop.train(tiny_study, parent, stop=lambda step: taken.append(step) or step == 5)
    assert taken == [1, 2, 3, 4, 5]
    with pytest.raises(UsageError, match="no final checkpoint"):
        loop.train(tiny_study, child)
    first = loop.train(tiny_study, parent)
    second = loop.train(tiny_study, child)
    assert first.train_loss is not None
    assert second.train_loss is not None
    assert metrics(tiny_study, child)[0]["loss"] < metrics(tiny_study, parent)[0]["loss"]


def test_the_record_holds_bits_per_byte_and_tokens(tiny_study: Study) -> None:
    spec = tiny_study.runs()[0]
    record = loop.train(tiny_study, spec)
    assert record.loss is not None
    assert record.bpb is not None
    assert record.loss < math.log(256)  # it learned something
    assert record.bpb == pytest.approx(record.loss / math.log(2), rel=0.01)  # a byte a token, but for the separators
    assert record.D_seen == spec.training.D == metrics(tiny_study, spec)[-1]["D"]


def test_a_plan_without_a_corpus_cannot_be_trained(tiny_question: Question, tmp_path: Path) -> None:
    study = Study(tmp_path / "none")
    study.write(make_plan(replace(tiny_question, data=None)))
    with pytest.raises(UsageError, match="--data"):
        loop.train(study, study.runs()[0])


def test_a_run_needs_only_torch_and_numpy(tiny_study: Study) -> None:
    """As on a machine with few packages: all other libraries are made unimportable."""
    code = f"""
import json, sys
for name in {OTHERS}:
    sys.modules[name] = None
from planners import RunSpec, Study
from jobs.training.loop import train
study = Study({str(tiny_study.folder)!r})
line = json.loads(study.plan_path.read_text().splitlines()[1])
print(train(study, RunSpec.read(line, "plan")).loss)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    record = read_record(tiny_study, tiny_study.runs()[1])
    assert record is not None
    assert record.loss == float(done.stdout)


def test_a_run_that_changed_code_on_the_way_says_so(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = tiny_study.runs()[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobs.snapshot.code", lambda: "0123456789ab")
        with pytest.raises(loop.Interrupted):
            loop.train(tiny_study, spec, stop=lambda step: step == 4)
    record = loop.train(tiny_study, spec)
    assert set(record.flags) == {"resumed", "mixed_code"}
    assert len(record.environment.earlier) == 1
    assert "code 0123456789ab" in record.environment.earlier[0]
    assert "0123456789ab" in flatten(record)["environment.earlier"]
    assert read_record(tiny_study, spec) == record
