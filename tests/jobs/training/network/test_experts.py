"""Implementations of the expert layer agree with each other and with finite differences, and never wait."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from jobs.training.network.experts import MATMULS, Combine, Dispatch, Experts, Slots, fastest_matmul
from jobs.training.network.transformer import Transformer
from planners import Router, Shape

SHAPE = Shape(
    d_model=32, n_layers=2, n_dense_layers=1, n_heads=2, n_kv_heads=2, head_dim=16, d_ff=64, n_experts=8, top_k=3,
    d_expert=16, d_shared=24, vocab_size=61,
)  # fmt: skip
ALL = replace(SHAPE, expert_bias=True, shared_gate=True)
"""With every feature of an expert layer."""


def layer_of(shape: Shape, path: str | None, dtype: torch.dtype = torch.float32) -> Experts:
    layer = Experts(shape, Router()).to(dtype)
    layer.matmul = path
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.copy_(torch.empty(weight.shape).normal_(0, 0.2, generator=generator))
    return layer


def results(shape: Shape, path: str, tokens: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Return output and all gradients of a layer with one implementation."""
    layer = layer_of(shape, path, dtype)
    x = torch.empty(tokens, 32).normal_(generator=torch.Generator().manual_seed(2)).to(dtype).requires_grad_()
    y, routing = layer(x)
    (y.square().sum() + routing.balance).backward()
    gradients = [x.grad, *(weight.grad for weight in layer.parameters())]
    assert all(gradient is not None for gradient in gradients)
    return [y.detach(), *(gradient for gradient in gradients if gradient is not None)]


@pytest.mark.parametrize("shape", [SHAPE, ALL, replace(SHAPE, ffn="gelu")], ids=["plain", "all", "gelu"])
@pytest.mark.parametrize(("n_experts", "top_k", "tokens"), [(8, 1, 64), (8, 3, 50), (87, 1, 40), (72, 16, 128)])
def test_the_grouped_matmul_equals_the_looped_one(shape: Shape, n_experts: int, top_k: int, tokens: int) -> None:
    shape = replace(shape, n_experts=n_experts, top_k=top_k)
    for grouped, looped in zip(results(shape, "grouped", tokens), results(shape, "looped", tokens), strict=True):
        torch.testing.assert_close(grouped, looped, rtol=1e-5, atol=1e-5 * float(looped.abs().max()))


@pytest.mark.parametrize("shape", [SHAPE, ALL], ids=["plain", "all"])
@pytest.mark.parametrize(("n_experts", "top_k", "tokens"), [(8, 1, 64), (87, 1, 40), (72, 16, 128), (4, 4, 1)])
def test_the_padded_matmul_equals_the_looped_one_in_float64(
    shape: Shape, n_experts: int, top_k: int, tokens: int
) -> None:
    shape = replace(shape, n_experts=n_experts, top_k=top_k)
    pairs = zip(
        results(shape, "padded", tokens, torch.float64), results(shape, "looped", tokens, torch.float64), strict=True
    )
    for padded, looped in pairs:
        torch.testing.assert_close(padded, looped, rtol=1e-10, atol=1e-10)


def test_the_fastest_matmul_follows_from_the_sizes() -> None:
    wide = torch.empty(8, 512, 1024), torch.empty(8, 512, 512)
    narrow = torch.empty(8, 32, 32), torch.empty(8, 16, 32)
    odd = torch.empty(8, 510, 1022), torch.empty(8, 511, 510)
    load = torch.tensor([20, 4, 4, 4, 4, 4, 4, 4])
    assert fastest_matmul(48, *wide, load) == "grouped"
    assert fastest_matmul(48, *narrow, load) == "padded"
    assert fastest_matmul(48, *odd, load) == "looped"
    assert fastest_matmul(48, wide[0].double(), wide[1].double(), load) == "looped"
    assert fastest_matmul(64, *wide, torch.full((8,), 8)) == "padded"  # nothing is padded where the load is even


@pytest.mark.parametrize("path", sorted(set(MATMULS) - {"grouped"}))
def test_gradients_agree_with_finite_differences(path: str) -> None:
    shape = replace(ALL, d_model=4, n_heads=1, n_kv_heads=1, head_dim=4, n_experts=3, top_k=2, d_expert=2, d_shared=2)
    layer = layer_of(shape, path, torch.float64)
    x = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    names, weights = zip(*layer.named_parameters(), strict=True)

    def output(x: Tensor, *weights: Tensor) -> Tensor:
        y: Tensor = torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x,))[0]
        return y

    assert torch.autograd.gradcheck(output, (x, *weights))


def test_gradients_of_dispatch_and_combine_agree_with_finite_differences() -> None:
    experts = torch.tensor([[0, 2], [1, 0], [2, 0], [0, 1]])
    slots = Slots.sorted(experts, torch.tensor([4, 2, 2]))
    x, rows = (torch.randn(n, 3, dtype=torch.float64, requires_grad=True) for n in (4, 8))
    gates = torch.rand(4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: Dispatch.apply(x, slots.token, slots.place), (x,))
    assert torch.autograd.gradcheck(lambda r, g: Combine.apply(r, g, slots.token, slots.place), (rows, gates))


@pytest.mark.parametrize("tokens", [40, 1000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_rerun_gives_the_same_bits(dtype: torch.dtype, tokens: int) -> None:
    """Also with noise and dropped slots: sums have a fixed order."""
    seen = []
    for _ in range(2):
        torch.manual_seed(0)
        layer = Experts(ALL, Router(jitter=0.1, capacity_factor=1.2))
        for weight in layer.parameters():
            torch.nn.init.normal_(weight, std=0.2)
        x = torch.randn(tokens, 32, requires_grad=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            y, routing = layer(x)
        (y.float().square().sum() + routing.balance + routing.z_loss).backward()
        seen.append([y, routing.gates, x.grad, *(weight.grad for weight in layer.parameters())])
    for first, second in zip(*seen, strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("shape", [SHAPE, ALL], ids=["plain", "all"])
@pytest.mark.parametrize(
    "router", [Router(), Router(score="sigmoid", renormalise=True, capacity_factor=1.0, bias_rate=0.1, jitter=0.1)]
)
def test_a_step_never_waits_for_the_device(shape: Shape, router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors of the meta device have no values, so reading one raises."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # the meta device knows no autocast
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda *_: False)
    with torch.device("meta"):
        model = Transformer(shape, router).bfloat16()
        tokens = torch.zeros(4, 33, dtype=torch.int64)
    logits, routings = model(tokens[:, :-1])
    loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    for routing in routings:
        loss = loss + routing.balance + routing.z_loss + routing.entropy
    loss.backward()
    layer = model.layers[1].ffn
    assert isinstance(layer, Experts)
    layer.router.update_bias(routings[0].load)
    with pytest.raises((RuntimeError, NotImplementedError)):
        routings[0].load.tolist()  # the test can fail


def test_experts_without_tokens_get_zero_gradients_even_if_the_kernel_gives_them_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a B200 with torch's grouped kernel."""
    expected = results(SHAPE, "grouped", 1)
    product = MATMULS["grouped"]

    def wrong(x: Tensor, weights: Tensor, slots: Slots) -> Tensor:
        empty = (slots.load == 0).view(-1, 1, 1)
        assert empty.any()
        weights.register_hook(lambda gradient: gradient.masked_fill(empty, torch.nan))
        return product(x, weights, slots)

    monkeypatch.setitem(MATMULS, "grouped", wrong)
    assert any(found.isnan().any() for found in results(SHAPE, "grouped", 1))
    monkeypatch.setattr(Experts, "masked", True)
    for found, wanted in zip(results(SHAPE, "grouped", 1), expected, strict=True):
        torch.testing.assert_close(found, wanted)
