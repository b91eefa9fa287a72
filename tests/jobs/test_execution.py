"""A run is the same however it is executed: in micro-batches, halved, recomputed or compiled."""

import math
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jobs.execution import Execution
from jobs.record import RunRecord, flatten, read_record
from jobs.run.train_one import train_and_record
from jobs.training import loop
from jobs.training.device import micro_batch as memory
from jobs.training.device.environment import reset_peak_memory
from jobs.training.device.micro_batch import OutOfMemory
from jobs.training.network.transformer import Transformer
from jobs.training.optimizer import AdamW
from jobs.training.step import TrainingLoss
from planners import Question, RunSpec, Study, UsageError
from planners.architecture.memory import USABLE, memory as planned_memory
from planners.records.files import read_jsonl

DENSE, MOE = 0, 2


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def variant(study: Study, arm: int = DENSE, **changes: object) -> RunSpec:
    """Return a run of the study with other training settings."""
    spec = study.runs()[arm]
    names = ("study", "arm", "shape", "router", "data", "recipe", "flops_convention", "target")
    given = {name: getattr(spec, name) for name in names}
    return RunSpec.build(**given, training=replace(spec.training, **changes))


def wider(study: Study, arm: int = DENSE) -> RunSpec:
    """Return a run of 10 steps with 8 sequences each."""
    return variant(study, arm, batch_tokens=256, D=2560)


def curve(study: Study, spec: RunSpec) -> list[float]:
    return [row["loss"] for row in lines(study, spec)]


def lines(study: Study, spec: RunSpec) -> list[dict]:
    return read_jsonl(study.run_folder(spec.run_id) / "metrics.jsonl")[0]


def trained(study: Study, spec: RunSpec, folder: Path, **settings: object) -> tuple[RunRecord, list[float]]:
    """Train in another folder and return record and loss curve."""
    folder.mkdir(exist_ok=True)
    other = Study(folder)
    record = loop.train(other, spec, execution=Execution(**settings))
    return record, curve(other, spec)


@pytest.mark.parametrize("micro_batch", [1, 3, 4])
def test_a_dense_batch_in_micro_batches_equals_the_whole_batch(
    tiny_study: Study, tmp_path: Path, micro_batch: int
) -> None:
    spec = wider(tiny_study)
    whole, expected = trained(tiny_study, spec, tmp_path / "whole")
    parts, found = trained(tiny_study, spec, tmp_path / "parts", micro_batch=micro_batch)
    assert found == pytest.approx(expected, rel=1e-5)
    assert parts.loss == pytest.approx(whole.loss, rel=1e-5)
    assert (whole.execution.micro_batch, parts.execution.micro_batch) == (8, micro_batch)
    assert whole.flags == parts.flags == ()
    assert flatten(parts)["execution.micro_batch"] == micro_batch


def test_experts_balanced_per_micro_batch_are_flagged(tiny_study: Study, tmp_path: Path) -> None:
    spec = wider(tiny_study, MOE)
    _, expected = trained(tiny_study, spec, tmp_path / "whole")
    record, found = trained(tiny_study, spec, tmp_path / "parts", micro_batch=4)
    assert "split_batch" in record.flags
    assert found[0] == pytest.approx(expected[0], rel=1e-6)  # the same model before the first step
    assert found == pytest.approx(expected, rel=2e-3)  # the objectives differ by the balance loss of the parts


def exhausted(monkeypatch: pytest.MonkeyPatch, fitting: int, error: Exception, at_call: int = 0) -> list[int]:
    """Let forward passes above `fitting` sequences run out of memory after `at_call` calls; return their sizes."""
    sizes: list[int] = []
    forward = TrainingLoss.forward

    def limited(self: TrainingLoss, inputs: torch.Tensor, *others: torch.Tensor) -> object:
        sizes.append(len(inputs))
        if len(inputs) > fitting and len(sizes) > at_call:
            raise error
        return forward(self, inputs, *others)

    monkeypatch.setattr(TrainingLoss, "forward", limited)
    return sizes


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce] can't allocate memory: you tried"),
        RuntimeError("Triton Error [CUDA]: out of memory"),
    ],
)
@pytest.mark.parametrize("at_call", [0, 5])
def test_the_micro_batch_is_halved_if_memory_runs_out(
    tiny_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, at_call: int
) -> None:
    spec = wider(tiny_study)
    whole, expected = trained(tiny_study, spec, tmp_path / "whole")
    sizes = exhausted(monkeypatch, 2, error, at_call)
    record, found = trained(tiny_study, spec, tmp_path / "halved")
    assert found == pytest.approx(expected, rel=1e-5)
    assert record.flags == ("micro_batch_halved",)
    assert record.execution.micro_batch == 2
    assert sizes[at_call : at_call + 3] == [8, 4, 2]
    assert set(sizes[at_call + 2 :]) == {2}
    assert record.D_seen == whole.D_seen


def test_a_resumed_run_keeps_the_micro_batch(
    tiny_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = wider(tiny_study)
    with pytest.MonkeyPatch.context() as patch:
        exhausted(patch, 2, torch.OutOfMemoryError("CUDA out of memory"))
        with pytest.raises(loop.Interrupted):
            loop.train(tiny_study, spec, stop=lambda step: step == 4)
    sizes = exhausted(monkeypatch, 8, RuntimeError("never"))
    record = loop.train(tiny_study, spec)
    assert record.execution.micro_batch == 2
    assert set(sizes) == {2}
    assert record.flags == ("micro_batch_halved", "resumed")


def test_memory_too_small_for_one_sequence_fails(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    exhausted(monkeypatch, 0, torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(OutOfMemory, match=r"^out of memory: .* one sequence .* give --recompute"):
        loop.train(tiny_study, wider(tiny_study))


def always_fails(owner: object, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a function of `owner` run out of memory at every call."""

    def failing(*_: object, **__: object) -> object:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(owner, name, failing)


@pytest.mark.parametrize("where", ["the first step", "a later step", "clipping", "the weights"])
def test_an_optimizer_that_does_not_fit_fails_with_advice(
    tiny_study: Study, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """No smaller micro-batch helps, so none is tried; the first step allocates the moments."""
    spec, step, taken = wider(tiny_study), AdamW.step, []

    def limited(self: AdamW) -> object:
        taken.append(1)
        if len(taken) > (where == "a later step") * 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        step(self)

    owners = {"clipping": (torch.nn.utils, "clip_grad_norm_"), "the weights": (Transformer, "to")}
    if where in owners:
        always_fails(*owners[where], monkeypatch)
    else:
        monkeypatch.setattr(AdamW, "step", limited)
    record = train_and_record(tiny_study, spec)
    assert record is not None
    assert (record.state, record.loss) == ("failed", None)
    assert str(record.error).startswith("out of memory: weights, gradients and optimizer take about ")
    assert "give --recompute, more --devices with --shard, a device with more memory, or plan" in str(record.error)
    assert len(taken) == {"the first step": 1, "a later step": 6}.get(where, 0)
    assert read_record(tiny_study, spec) == record
    if where == "a later step":  # it resumes with enough memory
        monkeypatch.setattr(AdamW, "step", step)
        assert loop.train(tiny_study, spec).state == "done"


def test_the_advice_omits_settings_that_are_already_on(tiny_study: Study) -> None:
    spec, execution = wider(tiny_study), Execution(devices=2, recompute=True, shard=True)
    with pytest.raises(OutOfMemory) as caught, memory.explained(spec, execution):
        raise RuntimeError("[enforce] can't allocate memory: you tried")
    assert "give more --devices, a device" in str(caught.value)
    with pytest.raises(RuntimeError, match=r"^shapes differ$"), memory.explained(spec, execution):
        raise RuntimeError("shapes differ")


def test_an_evaluation_without_memory_uses_smaller_batches(
    tiny_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = variant(tiny_study, eval_steps=10)
    whole, expected = trained(tiny_study, spec, tmp_path / "whole")
    asked, _ = trained(tiny_study, spec, tmp_path / "asked", micro_batch=4)
    sizes, hidden = list[int](), Transformer.hidden

    def limited(self: Transformer, tokens: torch.Tensor, domains: torch.Tensor | None = None) -> object:
        if not self.training:
            sizes.append(len(tokens))
            if len(tokens) > 4:
                raise torch.OutOfMemoryError("CUDA out of memory")
        return hidden(self, tokens, domains)

    monkeypatch.setattr(Transformer, "hidden", limited)
    other = Study(tmp_path / "halved")
    other.folder.mkdir()
    with pytest.raises(loop.Interrupted):
        loop.train(other, spec, stop=lambda step: step == 15)
    assert sizes == [16, 8, *[4] * 4]
    record = loop.train(other, spec)
    assert set(sizes[2:]) == {4}  # the resumed run keeps it
    assert record.flags == ("resumed",)
    assert (record.loss, curve(other, spec)) == (asked.loss, expected)
    assert record.loss == pytest.approx(whole.loss, rel=1e-6)


@pytest.mark.parametrize("arm", [DENSE, MOE])
def test_recomputed_activations_give_the_same_curve(tiny_study: Study, tmp_path: Path, arm: int) -> None:
    """Up to the last bits: nobody promises that a recomputed product has the bits of the first one."""
    spec = wider(tiny_study, arm)
    _, expected = trained(tiny_study, spec, tmp_path / "kept")
    record, found = trained(tiny_study, spec, tmp_path / "recomputed", recompute=True)
    assert found == pytest.approx(expected, rel=1e-5)
    assert record.execution.recompute


@pytest.mark.parametrize("recompute", [False, True])
def test_compiled_blocks_give_the_same_curve(
    tiny_study: Study, tmp_path: Path, quick_compiler: list[torch.nn.Module], recompute: bool
) -> None:
    """One graph a block, so nothing in it waits for the host."""
    spec = variant(tiny_study, MOE, batch_tokens=256, D=768, precision="bf16")
    _, expected = trained(tiny_study, spec, tmp_path / "eager")
    record, found = trained(tiny_study, spec, tmp_path / "compiled", compile=True, recompute=recompute)
    assert found == pytest.approx(expected, rel=2e-2)
    assert record.execution.compile
    assert record.tokens_per_s > 1.2 * record.D_seen / record.wall_s  # one step of three compiles, and does not count
    assert len(quick_compiler) == spec.shape.n_layers


def test_a_gpu_takes_as_many_sequences_as_its_memory_holds(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, gpu = wider(tiny_study), torch.device("cuda")
    shape, seq_len = spec.shape, spec.training.seq_len

    def need(sequences: int) -> int:
        return planned_memory(shape, "fp32", sequences * seq_len).total - 4 * shape.total  # the weights are there

    for fitting, wanted in ((100, 8), (8, 8), (7, 4), (3, 2), (1, 1)):  # equal parts, which are compiled once
        free = round(need(fitting) / USABLE) + 1
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, free + 4 * shape.total))
        assert memory.micro_batch(spec, gpu, 8) == wanted
        plenty = 4 * (free + 4 * shape.total)  # shared by four, each with its weights
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, plenty=plenty: (plenty, plenty))
        assert memory.micro_batch(spec, gpu, 8, runs=4) == wanted
        assert memory.micro_batch(spec, gpu, 8) >= wanted
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free, plenty=plenty: (free, plenty))
        assert memory.micro_batch(spec, gpu, 8, runs=2) == wanted  # others took more than their part
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (0, 0))
    assert memory.micro_batch(spec, gpu, 8) == memory.micro_batch(spec, gpu, 8, runs=3) == 1
    assert memory.micro_batch(spec, torch.device("cpu"), 8) == 8


def test_a_run_begins_with_an_empty_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its micro-batch is planned by the free memory, and what is cached does not count as free."""
    called = []
    for name in ("empty_cache", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda *_, name=name: called.append(name))
    assert reset_peak_memory(torch.device("cuda"))
    assert called == ["empty_cache", "reset_peak_memory_stats"]


def test_evaluations_during_training_are_logged_and_change_nothing(tiny_study: Study, tmp_path: Path) -> None:
    plain, spec = variant(tiny_study), variant(tiny_study, eval_steps=7)
    assert plain.run_id == tiny_study.runs()[DENSE].run_id != spec.run_id
    whole, expected = trained(tiny_study, plain, tmp_path / "end")
    record, found = trained(tiny_study, spec, tmp_path / "often")
    assert (record.loss, found) == (whole.loss, expected)
    rows = lines(Study(tmp_path / "often"), spec)
    measured = {row["step"]: row["val_loss"] for row in rows if row["val_loss"] is not None}
    assert list(measured) == list(range(7, spec.training.steps, 7))
    assert record.best_loss == min([*measured.values(), record.loss])
    assert record.best_step in (*measured, spec.training.steps)
    assert (whole.best_loss, whole.best_step) == (None, None)


def test_a_run_without_progress_stops_early_the_same_when_interrupted(tiny_study: Study, tmp_path: Path) -> None:
    # a rate far too high: the loss soon goes up and down
    spec = variant(tiny_study, lr=0.5, lr_floor=0.5, warmup_steps=1, eval_steps=2, patience=3)
    whole, expected = trained(tiny_study, spec, tmp_path / "whole")
    rows = lines(Study(tmp_path / "whole"), spec)
    measured = [row["val_loss"] for row in rows if row["val_loss"] is not None]
    assert "stopped_early" in whole.flags
    assert whole.state == "done"
    assert whole.D_seen == 64 * 2 * len(measured) < spec.training.D
    assert (whole.loss, whole.best_loss) == (measured[-1], min(measured))
    assert measured[-4] == min(measured)
    for stop in (1, whole.D_seen // 64 - 3, whole.D_seen // 64 - 1):
        other = Study(tmp_path / f"other{stop}")
        other.folder.mkdir()
        with pytest.raises(loop.Interrupted):
            loop.train(other, spec, stop=lambda step, stop=stop: step == stop)
        record = loop.train(other, spec)
        assert (record.loss, record.best_loss, record.best_step) == (whole.loss, whole.best_loss, whole.best_step)
        assert curve(other, spec) == expected
        (other.run_folder(spec.run_id) / "record.json").unlink()  # killed after its last checkpoint
        assert loop.train(other, spec).loss == whole.loss


def test_a_loss_that_explodes_ends_as_diverged(tiny_study: Study) -> None:
    spec = variant(tiny_study, lr=30.0, lr_floor=30.0, warmup_steps=1)
    record = loop.train(tiny_study, spec)
    assert (record.state, record.loss, record.flags) == ("diverged", None, ("exploded",))
    assert "2 ln V" in str(record.error)
    last = lines(tiny_study, spec)[-1]
    assert last["loss"] > 2 * math.log(256)
    assert record.D_seen == last["D"] < spec.training.D
    assert read_record(tiny_study, spec) == record


def test_metrics_lines_are_complete(tiny_study: Study) -> None:
    spec = wider(tiny_study, MOE)
    loop.train(tiny_study, spec)
    row = lines(tiny_study, spec)[-1]
    assert {"step", "D", "loss", "grad_norm", "lr", "tokens_per_s", "mfu", "memory_bytes", "eta_s"} <= set(row)
    assert row["memory_bytes"] > 1e6
    assert row["eta_s"] == 0
    layers = row["layers"]
    assert {len(values) for values in layers.values()} == {spec.shape.n_moe_layers}
    assert all(value >= 1 for value in layers["max_load"])
    assert row["max_load"] == max(layers["max_load"])
    assert layers["bias_range"] == [0.0] * spec.shape.n_moe_layers
    assert layers["dropped"] == [0.0] * spec.shape.n_moe_layers
    assert all(0 < value <= 1 for value in layers["entropy"])


def test_bf16_on_a_gpu_without_it_is_refused(
    tiny_question: Question, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.training.device.precision import check_precision

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    check_precision("fp32", torch.device("cuda"))
    check_precision("bf16", torch.device("cpu"))
    with pytest.raises(UsageError, match=r"Tesla T4 does not compute in bf16; .*fp32"):
        check_precision("bf16", torch.device("cuda"))


def test_a_run_that_stops_early_counts_all_dropped_slots(tiny_study: Study, tmp_path: Path) -> None:
    spec = variant(tiny_study, MOE, lr=0.05, lr_floor=0.05, warmup_steps=1, eval_steps=2, patience=1)
    spec = replace(spec, router=replace(spec.router, capacity_factor=0.5))
    record, _ = trained(tiny_study, spec, tmp_path / "study")
    rows = lines(Study(tmp_path / "study"), spec)
    assert "stopped_early" in record.flags
    assert len(rows) == record.D_seen // spec.training.batch_tokens  # a line is a step here
    shares = [share for row in rows for share in row["layers"]["dropped"]]
    assert record.routing is not None
    assert record.routing.dropped == pytest.approx(sum(shares) / len(shares)) != 0


def test_several_processes_without_memory_get_advice(tiny_study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs.training.device.distributed import Ranks
    from jobs.training.step import Stepper

    spec = wider(tiny_study)
    alone = Ranks(0, 1, torch.device("cpu"))
    stepper = Stepper(Transformer(spec.shape), spec, alone, Execution())
    exhausted(monkeypatch, 4, torch.OutOfMemoryError("CUDA out of memory"))
    alone.size = 2
    monkeypatch.setattr(Ranks, "accumulate", lambda self, objective, last: nullcontext())
    with pytest.raises(OutOfMemory, match=r"^out of memory with a micro-batch of 8 sequences; give --micro-batch 4"):
        stepper.gradients(0, torch.zeros(8, 33, dtype=torch.int64), detailed=False)
