"""No step waits for its device: it runs on tensors without values (the meta device)."""

from contextlib import nullcontext

import pytest
import torch

from jobs.training.metrics import PENDING, MetricSums, MicroBatch
from jobs.training.network.experts import Experts
from jobs.training.network.transformer import Transformer
from jobs.training.objectives.next_token import NextToken
from jobs.training.step import TrainingLoss
from planners import Router, Shape

SHAPE = Shape(
    d_model=64, n_layers=2, n_dense_layers=1, n_heads=2, n_kv_heads=2, head_dim=32, d_ff=176, n_experts=16, top_k=4,
    d_expert=64, d_shared=64, vocab_size=70_000,
)  # fmt: skip
ROUTERS = [
    Router(),
    Router(capacity_factor=1.25, jitter=0.01, z_loss=1e-3, bias_rate=1e-3),
    Router(score="sigmoid", renormalise=True, balance_form="entropy"),
]


@pytest.fixture(autouse=True)
def _bf16_weights_instead_of_autocast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Autocast does not support the device `meta`, on which reading a value raises."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)


def model(router: Router) -> Transformer:
    with torch.device("meta"):
        return Transformer(SHAPE, router).bfloat16().train()


@pytest.mark.parametrize("router", ROUTERS)
def test_a_step_reads_no_value(router: Router) -> None:
    """Includes model, chunked loss, gradients, clipping, router biases and the sums of a metrics line."""
    made = model(router)
    training_loss, sums = TrainingLoss(made, NextToken(None), router), MetricSums(8)
    windows = torch.zeros(8, 65, dtype=torch.int64, device="meta")
    loss, entropy, routings = training_loss(windows[:, :-1], windows[:, 1:])
    micro_batch = MicroBatch.of(8, entropy, routings, detailed=True)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(made.parameters(), 1.0)
    for _ in range(PENDING):
        sums.add([micro_batch], norm)
    for routing, layer in zip(routings, (layer for layer in made.modules() if isinstance(layer, Experts)), strict=True):
        layer.router.update_bias(routing.load)
    assert {*sums.sums} == {"loss", "load", "dropped", "balance", "entropy"}
    assert all(weight.grad is not None for weight in made.parameters())


def test_the_looped_reference_reads_one() -> None:
    """The check above can fail."""
    made = model(Router())
    for layer in made.modules():
        if isinstance(layer, Experts):
            layer.matmul = "looped"
    with pytest.raises((NotImplementedError, RuntimeError), match="meta"):
        made(torch.zeros(8, 64, dtype=torch.int64, device="meta"))
