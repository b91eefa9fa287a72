"""The model agrees with its shape, a FLOP counter and its dense form, and does not see the future."""

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from shapes import LI2025_2B, shapes
from torch.utils.flop_counter import FlopCounterMode

from jobs.training.network.experts import Experts, FeedForward
from jobs.training.network.transformer import Transformer
from planners import Router, Shape, flops_per_token, preset
from planners.grid import make_plan

DENSE = Shape(d_model=32, n_layers=2, n_dense_layers=2, n_heads=4, n_kv_heads=4, head_dim=8, d_ff=64, vocab_size=61)
MOE = Shape(
    d_model=32, n_layers=3, n_dense_layers=1, n_heads=4, n_kv_heads=2, head_dim=8, d_ff=64, n_experts=8, top_k=3,
    d_expert=16, d_shared=24, vocab_size=61, tied_embeddings=True,
)  # fmt: skip


def model_of(shape: Shape, router: Router | None = None, dtype: torch.dtype = torch.float32) -> Transformer:
    model = Transformer(shape, router).to(dtype)
    model.initialise(0)
    return model


@settings(deadline=None, max_examples=150)
@given(shapes())
def test_the_built_model_has_the_parameters_of_its_shape(shape: Shape) -> None:
    with torch.device("meta"):
        model = Transformer(shape)
    by_part = dict.fromkeys(shape.parts, 0)
    for name, weight in model.named_parameters():
        by_part[part_of(name)] += weight.numel()
    assert by_part == shape.parts
    assert sum(by_part.values()) == shape.total


PART_WORDS = {
    "norm": "norms", "attention": "attention", "embedding": "embedding", "head": "head", "positions": "positions",
    "router": "router", "shared": "shared_expert", "ffn.up_proj.": "dense_ffn", "ffn.down_proj.": "dense_ffn",
}  # fmt: skip


def part_of(name: str) -> str:
    """Return the part of the shape to which a parameter belongs, from its name."""
    return next((part for word, part in PART_WORDS.items() if word in name), "routed_experts")


def test_a_published_backbone_has_the_published_parameters() -> None:
    with torch.device("meta"):
        model = Transformer(LI2025_2B)
    assert sum(weight.numel() for weight in model.parameters()) == LI2025_2B.total


# The counter knows neither the grouped product nor attention on a CPU and counts them as zero, so they are mapped.
def _grouped(x: Any, weights: Any, *_: Any, **__: Any) -> int:
    if len(weights) == 3:  # rows of x by expert, forward or gradient of x
        return 2 * x[0] * weights[1] * weights[2]
    return 2 * x[0] * x[1] * weights[1]  # gradient of the weights: (inner, slots) @ (slots, outer)


def _attention(query: Any, key: Any, *_: Any, **__: Any) -> int:
    batch, heads, T, head_dim = query
    return 2 * 2 * batch * heads * T * key[2] * head_dim  # scores, and their product with the values


def _attention_backward(gradient: Any, query: Any, key: Any, *_: Any, **__: Any) -> int:
    batch, heads, T, head_dim = query
    return 5 * 2 * batch * heads * T * key[2] * head_dim  # four products, and the scores computed again


COUNTED = {
    torch.ops.aten._grouped_mm: _grouped,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


@pytest.mark.parametrize(
    "shape",
    [
        DENSE,
        replace(DENSE, n_kv_heads=1, tied_embeddings=True, ffn="gelu"),
        MOE,
        replace(MOE, top_k=1, d_shared=0),
        replace(MOE, n_experts=64, top_k=4, d_expert=8),
        replace(MOE, n_layers=5, moe_every=2, shared_gate=True, expert_bias=True, qk_norm="head"),
        replace(
            DENSE,
            norm="layernorm",
            positions="learned",
            max_positions=24,
            attention_bias="all",
            ffn_bias=True,
            qk_norm="full",
            causal=False,
        ),
    ],
    ids=["dense", "gqa-tied-gelu", "shared", "top-1", "fine", "interleaved-gated-biased", "learned-biased-encoder"],
)
def test_exact_flops_equal_those_of_a_flop_counter(shape: Shape) -> None:
    T, batch = 24, 3
    model = model_of(shape)
    for module in model.modules():
        if isinstance(module, Experts):
            module.matmul = "grouped"  # padding is not work of the model
    tokens = torch.randint(0, shape.vocab_size, (batch, T + 1))
    with FlopCounterMode(display=False, custom_mapping=COUNTED) as counter:
        logits, _ = model(tokens[:, :-1])
        F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()).backward()
    counted = counter.get_total_flops() / (batch * T)
    assert counted == flops_per_token(shape, T, "recompute")
    scores = shape.n_layers * shape.n_heads * shape.head_dim * T
    assert counted - 2 * scores == flops_per_token(shape, T, "exact")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_moe_with_one_expert_is_the_dense_ffn(dtype: torch.dtype) -> None:
    """One expert has gate 1 under a softmax, so the layer is a feed-forward network."""
    shape = replace(MOE, n_experts=1, top_k=1, d_expert=16, d_shared=0)
    experts = Experts(shape, Router()).to(dtype)
    dense = FeedForward(shape, 16, bias=False).to(dtype)
    with torch.no_grad():
        for weight in experts.parameters():
            weight.normal_()
        dense.up_proj.weight.copy_(experts.up_proj[0])
        dense.down_proj.weight.copy_(experts.down_proj[0])
    x = torch.randn(10, 32, dtype=dtype)
    torch.testing.assert_close(experts(x)[0], dense(x))


def test_the_output_is_the_gated_sum_of_the_chosen_experts() -> None:
    """Compared with one token and one expert at a time, in float64."""
    experts = Experts(MOE, Router()).double()
    with torch.no_grad():
        for weight in experts.parameters():
            weight.normal_(0, 0.3)
    x = torch.randn(14, 32, dtype=torch.float64)
    y, routing = experts(x)
    assert experts.shared is not None
    for token, (row, out) in enumerate(zip(x, y, strict=True)):
        probabilities = (experts.router.weight @ row).softmax(0)
        chosen = probabilities.topk(3).indices
        assert set(chosen.tolist()) == set(routing.experts[token].tolist())
        expected = experts.shared(row)
        for expert in chosen:
            gate, up = (experts.up_proj[expert] @ row).chunk(2)
            expected = expected + probabilities[expert] * (
                experts.down_proj[expert] @ (torch.nn.functional.silu(gate) * up)
            )
        torch.testing.assert_close(out, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("d_expert", [2, 4, 6, 8, 10, 12])
def test_widths_that_the_grouped_kernel_does_not_accept_are_looped(d_expert: int, dtype: torch.dtype) -> None:
    layer = Experts(replace(MOE, d_expert=d_expert, d_shared=0), Router())
    for weight in layer.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    x = torch.randn(30, 32, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        y, _ = layer(x)
    y.float().sum().backward()
    exact, _ = layer.double()(x.detach().double())
    torch.testing.assert_close(y.double(), exact, rtol=0.05, atol=0.05 if dtype == torch.bfloat16 else 1e-5)


OTHERS = [
    replace(DENSE, positions="alibi", norm="layernorm", ffn_bias=True, attention_bias="all", qk_norm="head"),
    replace(
        MOE, moe_every=2, positions="learned", max_positions=20, shared_gate=True, expert_bias=True, qk_norm="full"
    ),
]
"""Models with the features that `DENSE` and `MOE` lack."""


@pytest.mark.parametrize("shape", [DENSE, MOE, *OTHERS], ids=["dense", "moe", "other-dense", "other-moe"])
def test_no_token_sees_the_future(shape: Shape) -> None:
    model = model_of(shape, dtype=torch.float64).eval()
    tokens = torch.randint(0, shape.vocab_size, (1, 20))
    for place in (0, 7, 19):
        changed = tokens.clone()
        changed[0, place] = (changed[0, place] + 1) % shape.vocab_size
        before, after = model(tokens)[0], model(changed)[0]
        torch.testing.assert_close(before[0, :place], after[0, :place], rtol=0, atol=1e-12)
        assert not torch.allclose(before[0, place:], after[0, place:])


def test_arms_of_a_seed_share_initial_weights_of_equal_shape() -> None:
    one, four = (run.shape for run in make_plan(preset("smoke")).runs[1:3])
    first, second = (dict(model_of(shape).named_parameters()) for shape in (one, four))
    assert torch.equal(
        first["layers.1.attention.query_key_value.weight"], second["layers.1.attention.query_key_value.weight"]
    )
    assert torch.equal(first["embedding.weight"], second["embedding.weight"])
    shared = first["layers.1.ffn.up_proj"][:80], second["layers.1.ffn.up_proj"][:80]
    torch.testing.assert_close(*shared)
    other = Transformer(one)
    other.initialise(1)
    assert not torch.equal(first["embedding.weight"], other.embedding.weight)
