"""The chunked cross entropy equals torch's in value and gradient, for any size of chunk."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings, strategies as st

from jobs.training.network import cross_entropy as module
from jobs.training.network.cross_entropy import (
    linear_cross_entropy,
    loss_and_gradient,
    pointwise_loss_and_gradient,
    token_losses,
)


def inputs(tokens: int, d_model: int, vocab: int, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(tokens + 100 * vocab)
    x = torch.randn(1, tokens, d_model, generator=generator, dtype=dtype)
    weight = torch.randn(vocab, d_model, generator=generator, dtype=dtype)
    return x.requires_grad_(), weight.requires_grad_(), torch.randint(vocab, (1, tokens), generator=generator)


def value_and_gradients(function: object, x: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> list:
    x.grad = weight.grad = None
    loss = function(x, weight, targets)
    (3 * loss).backward()
    return [loss.detach(), x.grad, weight.grad]


def reference(x: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(F.linear(x, weight).flatten(0, 1), targets.flatten())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
@given(tokens=st.integers(1, 40), vocab=st.integers(1, 30), chunk=st.integers(1, 200), whole=st.sampled_from([1, 8]))
@settings(max_examples=60, deadline=None)
def test_it_equals_the_cross_entropy_of_torch(
    dtype: torch.dtype, tolerance: float, tokens: int, vocab: int, chunk: int, whole: int
) -> None:
    given_ = inputs(tokens, 8, vocab, dtype)
    expected = value_and_gradients(reference, *given_)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        patch.setattr(module, "WHOLE", {"cpu": whole})
        found = value_and_gradients(linear_cross_entropy, *given_)
        each = token_losses(*given_)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype
        assert torch.allclose(a, b, rtol=tolerance, atol=tolerance)
    assert each.shape == given_[2].shape
    assert torch.allclose(each.mean(), expected[0].to(each.dtype), rtol=1e-5, atol=1e-6)


def test_under_autocast_it_is_as_close_to_float64_as_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    given_ = inputs(64, 32, 50, torch.float32)
    exact = value_and_gradients(reference, *(t.detach().double().requires_grad_() for t in given_[:2]), given_[2])
    errors = []
    for chunk in (2**24, 500):
        monkeypatch.setattr(module, "CHUNK", chunk)
        with torch.autocast("cpu", torch.bfloat16):
            found = value_and_gradients(linear_cross_entropy, *given_)
        assert [t.dtype for t in found] == [torch.float32] * 3
        errors.append([float((a - b).norm() / b.norm()) for a, b in zip(found, exact, strict=True)])
    assert max(errors[1]) < 0.02
    assert all(chunked < 2 * whole + 1e-3 for whole, chunked in zip(*errors, strict=True))


@pytest.mark.parametrize("vocab_size", [299, 300])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_pointwise_gradient_equals_the_in_place_one(dtype: torch.dtype, vocab_size: int) -> None:
    logits, wanted = torch.randn(40, 300).to(dtype), torch.randint(299, (40,))
    functions = (pointwise_loss_and_gradient, loss_and_gradient)
    pairs = zip(*(function(logits.clone(), wanted, vocab_size, 70) for function in functions), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other)


def test_the_compiled_loss_equals_that_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """One graph, run by the compiler's reference backend; the last chunk is smaller than the others."""
    compiled = torch.compile(pointwise_loss_and_gradient, fullgraph=True, backend="aot_eager")
    monkeypatch.setattr(module, "_compiled_gradient", lambda: compiled)
    monkeypatch.setattr(module, "CHUNK", 30 * 50)
    given_ = inputs(100, 8, 50, torch.float32)
    expected = value_and_gradients(reference, *given_)
    found = value_and_gradients(partial(linear_cross_entropy, compiled=True), *given_)
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b, rtol=2e-6, atol=2e-6)


def test_no_more_than_a_chunk_of_logits_exists_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    sizes: list[int] = []

    class Sizes(TorchDispatchMode):
        def __torch_dispatch__(self, function: object, types: object, args: tuple = (), kwargs: dict | None = None):
            out = function(*args, **(kwargs or {}))
            sizes.extend(t.numel() for t in (out if isinstance(out, tuple) else (out,)) if isinstance(t, torch.Tensor))
            return out

    given_ = inputs(512, 4, 100, torch.float32)
    monkeypatch.setattr(module, "CHUNK", 5000)
    with Sizes():
        linear_cross_entropy(*given_).backward()
    assert max(sizes) <= 5000
    sizes.clear()
    monkeypatch.setattr(module, "CHUNK", 10**6)
    with Sizes():
        linear_cross_entropy(*given_).backward()
    assert max(sizes) == 512 * 100  # the check sees logits where there are any
