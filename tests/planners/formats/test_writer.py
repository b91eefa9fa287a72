"""Shapes written as Hugging Face configurations, against the models that transformers builds from them."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings, strategies as st
from shapes import LI2025_2B
from transformers import AutoConfig, AutoModelForCausalLM

from planners import Router, Shape, UsageError, from_hf, make_plan, preset, to_hf
from planners.architecture.shape import CHOICES

pytestmark = pytest.mark.filterwarnings("ignore:Initializing zero-element")  # a shared expert may have no width

DENSE = replace(LI2025_2B, n_dense_layers=16, n_experts=0, top_k=0, d_expert=0, d_shared=0)
LEARNED = {"norm": "layernorm", "positions": "learned", "max_positions": 64, "ffn": "gelu", "attention_bias": "all",
           "ffn_bias": True}  # fmt: skip
ALL_MOE = replace(LI2025_2B, n_dense_layers=0, d_shared=0)

EXPRESSED: dict[str, tuple[Shape, str]] = {
    "dense": (DENSE, "llama"),
    "dense with biases": (replace(DENSE, attention_bias="all", ffn_bias=True, tied_embeddings=True), "llama"),
    "dense, heads normalised": (replace(DENSE, qk_norm="head", n_kv_heads=1), "qwen3"),
    "learned positions": (replace(DENSE, **LEARNED), "gpt2"),
    "leading dense layer and shared expert": (LI2025_2B, "glm4_moe"),
    "leading dense layer": (replace(LI2025_2B, d_shared=0, attention_bias="qkv", qk_norm="head"), "glm4_moe"),
    "gated shared expert": (replace(LI2025_2B, shared_gate=True, d_shared=100, attention_bias="qkv"), "qwen2_moe"),
    "interleaved": (replace(LI2025_2B, shared_gate=True, moe_every=2), "qwen2_moe"),
    "experts everywhere": (ALL_MOE, "mixtral"),
    "heads normalised": (replace(ALL_MOE, qk_norm="head", moe_every=4), "qwen3_moe"),
    "all heads normalised": (replace(ALL_MOE, qk_norm="full"), "olmoe"),
}

REFUSED: dict[str, tuple[Shape, str]] = {
    "alibi": (replace(LI2025_2B, positions="alibi"), "positions alibi"),
    "encoder": (replace(DENSE, causal=False), "causal False"),
    "layernorm": (replace(DENSE, norm="layernorm"), "norm layernorm"),
    "biased experts": (replace(LI2025_2B, expert_bias=True), "expert_bias True"),
    "shared expert of another width": (replace(LI2025_2B, d_shared=400), "d_shared 400 .not a multiple"),
    "narrow learned heads": (
        replace(DENSE, **LEARNED, n_heads=10, n_kv_heads=10),
        "10 heads of 128 with d_model 1408",
    ),
    "grouped learned heads": (replace(DENSE, **LEARNED, n_kv_heads=1), "n_kv_heads 1 with"),
    "heads that do not divide": (replace(DENSE, n_heads=10, n_kv_heads=10), "10 heads of 128 with d_model 1408"),
}


def count(config: dict[str, Any]) -> int:
    """Return the parameters of the model that transformers builds."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))
    return sum(weight.numel() for weight in model.parameters())


def same_counts(shape: Shape) -> None:
    """Assert that a shape has the same counts after it is written, read back and built."""
    config = json.loads(json.dumps(to_hf(shape)))
    again = from_hf(config)
    assert again.parts == shape.parts
    assert again.active_parts == shape.active_parts
    assert again.products == shape.products
    assert again.notes == () or "leading" in again.notes[0]
    assert count(config) == shape.total


@pytest.mark.parametrize(("shape", "model_type"), EXPRESSED.values(), ids=EXPRESSED)
def test_a_shape_is_written_in_the_family_that_has_it(shape: Shape, model_type: str) -> None:
    assert to_hf(shape)["model_type"] == model_type
    same_counts(shape)


@pytest.mark.parametrize(("shape", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_property_that_no_family_has_is_named(shape: Shape, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        to_hf(shape)
    assert "\n" not in str(caught.value)


@st.composite
def near_expressed(draw: st.DrawFn) -> Shape:
    """Draw a small shape that a family expresses, sometimes with one field changed."""
    kind = draw(st.sampled_from([shape for shape, _ in EXPRESSED.values()]))
    groups = 1 if kind.n_kv_heads == 1 else draw(st.integers(1, 2))
    n_heads = groups * draw(st.integers(1, 2)) if kind.positions == "rope" and kind.qk_norm != "full" else groups
    head_dim = draw(st.sampled_from([4, 6]))
    n_layers = (kind.n_dense_layers if kind.n_experts else 0) + kind.moe_every * draw(st.integers(1, 3))
    sizes: dict[str, Any] = {
        "n_heads": n_heads, "n_kv_heads": groups, "head_dim": head_dim, "n_layers": n_layers, "d_ff": 8,
        "d_model": n_heads * draw(st.sampled_from([head_dim, 8])), "vocab_size": draw(st.integers(3, 20)),
        "tied_embeddings": draw(st.booleans()), "max_positions": 9 * (kind.positions == "learned"),
    }  # fmt: skip
    if kind.n_experts:
        n_experts = draw(st.integers(2, 5))
        shared = draw(st.sampled_from([4, 8, 12, 6])) if kind.d_shared else 0
        sizes |= {"n_experts": n_experts, "top_k": draw(st.integers(1, n_experts)), "d_expert": 4, "d_shared": shared}
    else:
        sizes["n_dense_layers"] = n_layers
    changes: list[dict[str, Any]] = [{}] * 3
    changes += [{name: value} for name in ("norm", "attention_bias", "qk_norm") for value in CHOICES[name]]
    return replace(kind, **sizes, **draw(st.sampled_from(changes)))


@settings(max_examples=200, deadline=None)
@given(near_expressed())
def test_any_shape_is_written_to_the_parameter_or_refused(shape: Shape) -> None:
    try:
        to_hf(shape)
    except UsageError as error:
        assert "no Hugging Face configuration" in str(error)
        return
    same_counts(shape)


def test_every_arm_of_a_plan_is_written() -> None:
    for run in make_plan(replace(preset("smoke"), data=None)).runs:
        same_counts(run.shape)


def test_router_settings_that_a_family_cannot_express_are_listed() -> None:
    assert to_hf(LI2025_2B)["differs"] == ["experts are scored by a sigmoid, not a softmax"]
    assert "differs" not in to_hf(LI2025_2B, Router(score="sigmoid"))
    assert to_hf(ALL_MOE)["differs"] == ["the gates of the chosen experts sum to 1"]
    assert "differs" not in to_hf(ALL_MOE, Router(renormalise=True))
    assert to_hf(replace(ALL_MOE, qk_norm="head"), Router(renormalise=True))["norm_topk_prob"] is True
    assert "differs" not in to_hf(DENSE)


def test_a_foreign_model_is_written_only_if_a_shape_describes_all_of_it() -> None:
    with pytest.raises(UsageError, match="deepseek_v3"):
        to_hf(from_hf({"model_type": "deepseek_v3"}))
    llama = from_hf({"model_type": "llama"})
    shape = Shape(**{field.name: getattr(llama, field.name) for field in fields(Shape)})
    assert to_hf(llama) == to_hf(shape)
