"""The gradient that is written out against autograd over the model's own forward pass: the same bits."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from jobs.training import by_hand, checkpoint, experts, loop
from jobs.training.by_hand import suits
from jobs.training.model import Transformer
from jobs.training.step import Objective
from planners import Router, Shape, Study

CPU = torch.device("cpu")
DENSE = Shape(d_model=24, n_layers=2, n_dense_layers=2, n_heads=2, n_kv_heads=2, head_dim=12, d_ff=40, vocab_size=50)
MOE = Shape(
    d_model=32, n_layers=3, n_dense_layers=1, n_heads=1, n_kv_heads=1, head_dim=32, d_ff=88, n_experts=12, top_k=1,
    d_expert=16, d_shared=16, vocab_size=50,
)  # fmt: skip


@pytest.mark.parametrize("worth", [0, 10**9], ids=["grouped", "padded"])
@pytest.mark.parametrize(
    "shape",
    [DENSE, MOE, replace(MOE, top_k=4), replace(MOE, top_k=4, d_shared=0), replace(MOE, n_layers=4, moe_every=2)],
    ids=["dense", "top-1", "top-4", "no-shared", "interleaved"],
)
def test_the_gradient_is_that_of_autograd_bit_for_bit(
    shape: Shape, worth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(experts.PADDING_WORTH, torch.float32, worth)
    torch.set_num_threads(1)
    model = Transformer(shape, Router(balance=0.05))
    model.initialise(3)
    windows = torch.randint(0, 50, (3, 33), generator=torch.Generator().manual_seed(0))
    loss, expected, routings = Objective(model, Router(balance=0.05))(windows)
    loss.backward()
    gradients = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad()
    entropy, ours = by_hand.gradients(model, windows, 0.05)
    assert torch.equal(entropy, expected)
    assert len(ours) == len(routings) == shape.n_moe_layers
    for name, weight in model.named_parameters():
        assert weight.grad is not None
        assert torch.equal(weight.grad, gradients[name]), name


def test_a_run_is_the_same_without_it(tiny_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights and moments, of a dense and an MoE run."""
    other = Study(tmp_path / "other")
    other.folder.mkdir()
    for name in ("study.json", "plan.jsonl"):
        (other.folder / name).write_bytes((tiny_study.folder / name).read_bytes())
    for spec in (tiny_study.runs()[0], tiny_study.runs()[2]):
        assert suits(spec, CPU)
        with monkeypatch.context() as patch:
            patch.setattr(by_hand, "suits", lambda *_: False)
            expected = loop.train(other, spec)
        assert loop.train(tiny_study, spec).loss == expected.loss
        ours, theirs = (
            checkpoint.load_newest(study.run_folder(spec.run_id) / "checkpoint", spec.run_id)
            for study in (tiny_study, other)
        )
        assert ours is not None
        assert theirs is not None
        assert all(torch.equal(ours["model"][name], weight) for name, weight in theirs["model"].items())


@pytest.mark.parametrize(
    "fields",
    [
        {"tied_embeddings": True}, {"ffn": "gelu"}, {"norm": "layernorm"}, {"positions": "alibi"}, {"causal": False},
        {"attention_bias": "qkv"}, {"ffn_bias": True}, {"qk_norm": "head"}, {"n_kv_heads": 1}, {"d_expert": 18},
        {"shared_gate": True}, {"expert_bias": True}, {"positions": "learned", "max_positions": 64},
    ],
)  # fmt: skip
def test_what_is_not_written_out_is_left_to_autograd(tiny_study: Study, fields: dict) -> None:
    shape = replace(MOE, n_heads=2, n_kv_heads=2, head_dim=16)
    spec = replace(tiny_study.runs()[2], shape=shape)
    assert suits(spec, CPU)
    assert not suits(replace(spec, shape=replace(shape, **fields)), CPU)


def test_other_routers_precisions_and_sizes_are_left_to_autograd(tiny_study: Study) -> None:
    spec = tiny_study.runs()[2]
    assert suits(replace(spec, router=Router(balance=0.1, bias_rate=0.01)), CPU)
    for settings in (
        Router(score="sigmoid"), Router(renormalise=True), Router(jitter=0.1), Router(capacity_factor=1.0),
        Router(z_loss=0.1), Router(balance_form="entropy"),
    ):  # fmt: skip
        assert not suits(replace(spec, router=settings), CPU)
    assert not suits(replace(spec, training=replace(spec.training, precision="bf16")), CPU)
    assert not suits(replace(spec, shape=replace(spec.shape, vocab_size=10**8)), CPU)
    assert not suits(spec, torch.device("cuda"))
