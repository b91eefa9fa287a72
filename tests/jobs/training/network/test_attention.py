"""Attention agrees with its formula; the slopes of ALiBi come from transformers."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.models.bloom.modeling_bloom import build_alibi_tensor

from jobs.training.network.attention import Attention, alibi_slopes, position_table, rotate
from jobs.training.network.transformer import Transformer
from planners import Shape

SHAPE = Shape(d_model=24, n_layers=1, n_dense_layers=1, n_heads=6, n_kv_heads=2, head_dim=4, d_ff=8, vocab_size=11)


def attention_of(shape: Shape, dtype: torch.dtype = torch.float64) -> Attention:
    module = Attention(shape).to(dtype)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in module.parameters():
            weight.normal_(generator=generator)
    return module


def written_out(shape: Shape, module: Attention, x: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return attention computed head by head from all scores; x is (T, d_model), bias (heads, T, T)."""
    T, width = len(x), shape.head_dim
    projected = module.query_key_value(x)
    query, key, value = projected.split([shape.n_heads * width, shape.n_kv_heads * width, shape.n_kv_heads * width], -1)
    if shape.qk_norm == "full":
        query, key = module.query_norm(query), module.key_norm(key)  # type: ignore[misc]
    future = torch.ones(T, T, dtype=torch.bool).triu(1)
    outputs = []
    for head in range(shape.n_heads):
        pair = head * shape.n_kv_heads // shape.n_heads
        q, k, v = (part[:, n * width : (n + 1) * width] for part, n in ((query, head), (key, pair), (value, pair)))
        if shape.qk_norm == "head":
            q, k = module.query_norm(q), module.key_norm(k)  # type: ignore[misc]
        if shape.positions == "rope":
            table = position_table(shape, T, x.device, x.dtype)
            assert table is not None
            q, k = rotate(q, table), rotate(k, table)
        scores = q @ k.T / width**0.5 + (0 if bias is None else bias[head])
        if shape.causal:
            scores = scores.masked_fill(future, -torch.inf)
        outputs.append(scores.softmax(-1) @ v)
    y: Tensor = module.o_proj(torch.cat(outputs, -1))
    return y


@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm"])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"qk_norm": "full", "attention_bias": "qkv"},
        {"qk_norm": "head", "attention_bias": "all"},
        {"positions": "none", "causal": False},
        {"positions": "learned", "max_positions": 9, "n_kv_heads": 6, "head_dim": 3},
    ],
)
def test_attention_follows_its_formula(fields: dict[str, Any], norm: str) -> None:
    shape = replace(SHAPE, norm=norm, **fields)
    module, x = attention_of(shape), torch.randn(2, 9, 24, dtype=torch.float64)
    y = module(x.flatten(0, 1), position_table(shape, 9, x.device, x.dtype), 2).view_as(x)
    for row, out in zip(x, y, strict=True):
        torch.testing.assert_close(out, written_out(shape, module, row))


@pytest.mark.parametrize(("heads", "kv_heads"), [(1, 1), (4, 2), (6, 2), (11, 11), (16, 4)])
def test_alibi_is_a_penalty_on_distance(heads: int, kv_heads: int) -> None:
    shape = replace(SHAPE, positions="alibi", n_heads=heads, n_kv_heads=kv_heads)
    module, x = attention_of(shape), torch.randn(300, 24, dtype=torch.float64)
    slopes = torch.tensor(alibi_slopes(heads), dtype=torch.float64)
    outside = build_alibi_tensor(torch.ones(1, 300), heads, torch.float32)  # (heads, 1, T): slope * j
    torch.testing.assert_close(slopes, outside[:, 0, 1].double(), rtol=1e-5, atol=0)
    place = torch.arange(300)
    bias = -slopes[:, None, None] * (place[:, None] - place)
    y = module(x, position_table(shape, 300, x.device, x.dtype), 1)
    torch.testing.assert_close(y, written_out(shape, module, x, bias), rtol=1e-9, atol=1e-9)


def test_alibi_keeps_its_precision_in_bf16() -> None:
    """bf16 cannot represent odd integers above 256; without two digits the error would be large."""
    shape = replace(SHAPE, positions="alibi", n_heads=8, n_kv_heads=8, head_dim=16)
    module, x = attention_of(shape, torch.float32), torch.randn(2000, 24) / 10
    table = position_table(shape, 2000, x.device, x.dtype)
    exact = module(x, table, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = module(x, table, 1)
    assert (rounded - exact).norm() < 0.02 * exact.norm()


@pytest.mark.parametrize("positions", ["rope", "alibi", "learned", "none"])
def test_which_positions_distinguish_tokens_and_their_order(positions: str) -> None:
    """Only learned positions distinguish the tokens of a constant sequence; only no positions lose the order."""
    shape = replace(SHAPE, positions=positions, max_positions=10 if positions == "learned" else 0)
    model = Transformer(shape).double()
    model.initialise(0)
    constant = model(torch.full((1, 10), 5))[0][0]
    assert torch.allclose(constant[0], constant[9]) == (positions != "learned")
    first, second = model(torch.tensor([[1, 2, 3], [2, 1, 3]]))[0][:, 2]
    assert torch.allclose(first, second) == (positions == "none")


def test_an_encoder_sees_the_future() -> None:
    model = Transformer(replace(SHAPE, causal=False)).double()
    model.initialise(0)
    first, second = model(torch.tensor([[1, 2, 3], [1, 2, 4]]))[0][:, 0]
    assert not torch.allclose(first, second)
