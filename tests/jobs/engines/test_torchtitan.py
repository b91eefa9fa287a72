"""Exported runs on torchtitan: parameters, logits, gradients, steps of its own optimizer, schedule and loader."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from engine_arms import (
    ARMS,
    T,
    arrays,
    gradient_arrays,
    holds,
    imported,
    load_exact,
    model_of,
    need,
    relative,
    spec_of,
    stand_in,
    windows,
)
from torch import Tensor

from jobs.corpora import describe, open_store
from jobs.engines import torchtitan
from jobs.training.optimizer import adamw
from jobs.training.schedule import learning_rate
from planners import Question, RunSpec, make_plan

pytestmark = pytest.mark.soak
need("torchtitan")


@pytest.fixture(autouse=True)
def _without_triton() -> Iterator[None]:
    with stand_in("torchtitan.distributed.minimal_async_ep"):
        yield


def unbalanced(name: str) -> RunSpec:
    """Return an arm as torchtitan trains it: without a balance loss."""
    shape, router = ARMS[name]
    return spec_of(shape, replace(router, balance=0.0))


def exported(spec: RunSpec, folder: Path) -> Any:
    return imported("torchtitan_recipe.py", "torchtitan", spec, folder)


def plain_attention() -> Any:
    from torchtitan.models.common.attention import ScaledDotProductAttention

    return ScaledDotProductAttention.Config()


def built(spec: RunSpec, folder: Path) -> tuple[Any, Any]:
    """Return the exported module and its model on the CPU, with plain attention."""
    module = exported(spec, folder)
    model = module.model(plain_attention()).build()
    with torch.no_grad():
        model.init_states(buffer_device=torch.device("cpu"))
    return module, model


def keep_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn off the cast of experts to bf16."""
    monkeypatch.setattr(Tensor, "bfloat16", lambda self, *_, **__: self)


@pytest.mark.parametrize("name", ARMS)
def test_parameters_logits_and_gradients(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = unbalanced(name)
    ours, (_, theirs) = model_of(spec.shape, spec.router), built(spec, tmp_path)
    assert sum(weight.numel() for weight in theirs.parameters()) == spec.shape.total
    load_exact(theirs, torchtitan.weights(spec, arrays(ours)))
    batch = windows()
    inputs, targets = batch[:, :-1], batch[:, 1:]
    logits = ours(inputs)[0]
    keep_float32(monkeypatch)
    found = theirs(inputs)
    holds("torchtitan", "logits without that cast", relative(found, logits))
    for output in (logits, found):
        F.cross_entropy(output.flatten(0, 1), targets.flatten()).backward()
    wanted, named = torchtitan.weights(spec, gradient_arrays(ours)), dict(theirs.named_parameters())
    worst = max(relative(named[part].grad, torch.from_numpy(np.array(wanted[part]))) for part in wanted)
    holds("torchtitan", "gradients without that cast", worst)


@pytest.mark.parametrize("name", ARMS)
def test_logits_as_released(name: str, tmp_path: Path) -> None:
    spec = unbalanced(name)
    ours, (_, theirs) = model_of(spec.shape, spec.router), built(spec, tmp_path)
    load_exact(theirs, torchtitan.weights(spec, arrays(ours)))
    inputs = windows()[:, :-1]
    wanted = ours(inputs)[0].detach()
    apart = (theirs(inputs) - wanted).detach().abs().amax(-1) / wanted.abs().max()
    holds("torchtitan", "logits, float32, our weights", float(apart.quantile(0.9)))


@pytest.mark.parametrize("name", ["dense", "top-4, shared expert"])
def test_steps_of_its_own_optimizer(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three steps with clipping; two groups, of which the norms do not decay."""
    spec = unbalanced(name)
    ours, (module, theirs) = model_of(spec.shape, spec.router), built(spec, tmp_path)
    load_exact(theirs, torchtitan.weights(spec, arrays(ours)))
    config = module.train(theirs and plain_attention())
    optimizer = config.optimizer.build(model_parts=[theirs])
    groups = [group for one in optimizer for group in one.param_groups]
    assert sorted(len(group["params"]) for group in groups if group["weight_decay"] == 0) == [7]
    keep_float32(monkeypatch)
    mine = adamw(ours, spec)
    batch = windows()
    for _ in range(3):
        for net, step in ((ours, mine), (theirs, optimizer)):
            step.zero_grad()
            output = net(batch[:, :-1])
            logits = output[0] if isinstance(output, tuple) else output
            F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten()).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), spec.training.clip)
            step.step()
    wanted, found = torchtitan.weights(spec, arrays(ours)), theirs.state_dict()
    worst = max(relative(found[part], torch.from_numpy(np.array(wanted[part]))) for part in wanted)
    holds("torchtitan", "optimizer step", worst)


def test_schedule(tmp_path: Path) -> None:
    for schedule in ("cosine", "wsd"):
        spec = unbalanced("dense")
        training = replace(spec.training, D=400 * T, U=400 * T, schedule=schedule)
        if schedule == "wsd":
            training = replace(training, lr_floor=0.0)
        spec = replace(spec, training=training)
        module, model = built(spec, tmp_path)
        config = module.train(plain_attention())
        optimizers = config.optimizer.build(model_parts=[model])
        scheduler = config.lr_scheduler.build(optimizers=optimizers, training_steps=training.steps)
        worst = 0.0
        for step in range(training.steps):
            [lr] = {group["lr"] for one in optimizers for group in one.param_groups}
            worst = max(worst, abs(lr - learning_rate(step, training)) / training.lr)
            optimizers.step()
            scheduler.step()
        holds("torchtitan", "schedule", worst)


def test_loader_gives_the_windows_of_the_run(tiny_question: Question, tmp_path: Path) -> None:
    """Two processes together read the batches of our run, and each validation window is read."""
    spec = make_plan(tiny_question, describe(str(tiny_question.data))).runs[0]
    module = exported(spec, tmp_path)
    assert spec.data is not None
    seq_len = spec.training.seq_len
    stream = open_store(spec.data).stream(seq_len, spec.training.U, spec.training.seed)
    whole = spec.training.batch_tokens // seq_len
    parts = [
        iter(
            module.WindowLoader(
                module.WindowLoader.Config(), dp_world_size=2, dp_rank=rank, local_batch_size=whole // 2
            )
        )
        for rank in range(2)
    ]
    for step in range(3):
        read = [next(part) for part in parts]
        inputs = torch.cat([fields["input"] for fields, _ in read])
        targets = torch.cat([labels for _, labels in read])
        windows_of_step = torch.from_numpy(stream(step * whole, whole))
        assert torch.equal(inputs, windows_of_step[:, :-1])
        assert torch.equal(targets, windows_of_step[:, 1:])
        assert torch.equal(read[0][0]["positions"][0], torch.arange(seq_len, dtype=torch.int32))
    held_out = module.WindowLoader(
        module.WindowLoader.Config(split="validation"), dp_world_size=1, dp_rank=0, local_batch_size=4
    )
    assert sum(len(labels) for _, labels in held_out) == spec.training.eval_windows
