"""Exported runs on OLMo-core: parameters, logits, gradients with balance, decay groups, schedule and its own JSON."""

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
    windows,
)

from jobs.corpora import describe, open_store
from jobs.engines import olmo_core
from jobs.engines.curves import curves
from jobs.engines.engine import prepared
from jobs.training.schedule import learning_rate
from planners import Question, RunSpec, make_plan

pytestmark = pytest.mark.soak
need("olmo-core")


@pytest.fixture(autouse=True)
def _without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for two kernels that need Triton."""
    from olmo_core.ops import moe

    def gather(x: Any, indices: Any, bin_ids: Any, bins: Any, top_k: int) -> Any:
        return x[indices // top_k]

    def scatter(x: Any, indices: Any, bin_ids: Any, weights: Any, bins: Any, top_k: int) -> Any:
        rows = x if weights is None else x * weights[indices].unsqueeze(-1)
        return x.new_zeros(len(x) // top_k, x.shape[-1]).index_add(0, indices // top_k, rows)

    monkeypatch.setattr(moe, "gather", gather)
    monkeypatch.setattr(moe, "scatter", scatter)


def exported(spec: RunSpec, folder: Path) -> Any:
    return imported("olmo_core_train.py", "olmo-core", spec, folder)


@pytest.mark.parametrize("name", ARMS)
def test_parameters_logits_and_gradients(name: str, tmp_path: Path) -> None:
    shape, router = ARMS[name]
    spec, ours = spec_of(shape, router), model_of(shape, router)
    module = exported(spec, tmp_path)
    config = module.model()
    assert config.num_params == shape.total
    theirs = config.build(init_device="cpu")
    assert sum(weight.numel() for weight in theirs.parameters()) == shape.total
    load_exact(theirs, olmo_core.weights(spec, arrays(ours)))
    batch = windows()
    inputs, targets = batch[:, :-1], batch[:, 1:]
    logits, routings = ours(inputs)
    found = theirs(inputs)
    holds("olmo-core", "logits, float32, our weights", relative(found, logits))
    ce = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    (ce + sum(router.balance * routing.balance for routing in routings)).backward()
    theirs.zero_grad()
    output = theirs(inputs, labels=targets, loss_reduction="mean")
    loss = output.loss if hasattr(output, "loss") else F.cross_entropy(output.flatten(0, 1), targets.flatten())
    loss.backward()
    wanted = olmo_core.weights(spec, gradient_arrays(ours))
    plain = [name for name in wanted if not shape.d_shared or ".w2" not in name]  # scaled projections scale gradients
    named = dict(theirs.named_parameters())
    worst = max(relative(named[part].grad, torch.from_numpy(np.array(wanted[part]))) for part in plain)
    holds("olmo-core", "gradients with the balance loss", worst)


def test_decay_and_schedule(tmp_path: Path) -> None:
    """Norms do not decay; the cosine is one step ahead; the cooldown of wsd is linear."""
    spec = spec_of(*ARMS["top-4, shared expert"], D=400 * T, U=400 * T)
    module = exported(spec, tmp_path)
    config = module.module()
    groups = config.optim.build_groups(module.model().build(init_device="cpu"))
    sizes = sorted((group.get("weight_decay", spec.training.weight_decay), len(group["params"])) for group in groups)
    assert [decay for decay, _ in sizes] == [0.0, 0.1]
    assert sizes[0][1] == 7
    steps, lr = spec.training.steps, spec.training.lr
    theirs = [float(config.scheduler.get_lr(lr, step, steps)) for step in range(1, steps + 1)]
    ours = [learning_rate(step, spec.training) for step in range(steps)]
    assert np.abs(np.array(theirs) - ours).max() <= (lr - spec.training.lr_floor) * np.pi / 2 / steps * 1.05
    wsd = replace(spec, training=replace(spec.training, schedule="wsd", lr_floor=0.0))
    scheduler = exported(wsd, tmp_path).module().scheduler
    apart = [float(scheduler.get_lr(lr, s + 1, steps)) - learning_rate(s, wsd.training) for s in range(steps)]
    assert 0.15 < max(apart) / lr < 0.26


def test_its_own_json_describes_the_run(tmp_path: Path) -> None:
    from olmo_core.nn.transformer import TransformerConfig

    module = exported(spec_of(*ARMS["sigmoid"]), tmp_path)
    assert TransformerConfig.from_dict(module.model().as_config_dict()) == module.model()


def test_loader_gives_the_windows_of_the_run(tiny_question: Question, tmp_path: Path) -> None:
    """The windows of our run in its order with T targets each, and each validation window."""
    spec = make_plan(tiny_question, describe(str(tiny_question.data))).runs[0]
    module = exported(spec, tmp_path)
    assert spec.data is not None
    seq_len, whole = spec.training.seq_len, spec.training.batch_tokens // spec.training.seq_len
    stream = open_store(spec.data).stream(seq_len, spec.training.U, spec.training.seed)
    loader = module.WindowLoader()
    loader.reshuffle(1)
    for step, fields in zip(range(3), loader, strict=False):
        read = torch.from_numpy(stream(step * whole, whole))
        assert torch.equal(fields["input_ids"], read[:, :-1])
        assert torch.equal(fields["labels"], read[:, 1:])
    held_out = [fields["input_ids"] for fields in module.Validation(None)]
    assert sum(map(len, held_out)) == spec.training.eval_windows
    assert {tokens.shape[1] for tokens in held_out} == {seq_len + 1}


def test_its_own_trainer_has_our_loss_curve(tiny_question: Question, tmp_path: Path) -> None:
    """Its trainer on the CPU, from our weights and with our windows: the training losses are ours."""
    spec = make_plan(tiny_question, describe(str(tiny_question.data))).runs[0]
    run = prepared(olmo_core.ENGINE, spec, devices=1, changed=True)
    theirs, ours = curves(olmo_core.ENGINE, run, tmp_path / "run", steps=6)
    holds("olmo-core", "loss curve of its own trainer", max(abs(a - b) for a, b in zip(theirs, ours, strict=True)))
