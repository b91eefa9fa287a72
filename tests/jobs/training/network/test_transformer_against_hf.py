"""The model agrees with transformers: same weights give the same logits, gradients and balance loss."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import transformers as hf
from torch import Tensor

from jobs.training.network.transformer import Transformer
from planners import Router, Shape, to_hf

T, BATCH = 17, 3
SIZES = {
    "vocab_size": 61, "hidden_size": 32, "num_attention_heads": 4, "rms_norm_eps": 1e-6, "rope_theta": 10_000.0,
    "pad_token_id": None,
}  # fmt: skip
DENSE = Shape(d_model=32, n_layers=3, n_dense_layers=3, n_heads=4, n_kv_heads=4, head_dim=8, d_ff=48, vocab_size=61)
MOE = replace(DENSE, n_dense_layers=0, n_experts=6, top_k=2, d_expert=16)


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One architecture, as a configuration of transformers and as a shape."""

    config: Callable[..., Any]
    fields: dict[str, Any]
    shape: Shape
    router: Router = field(default_factory=Router)

    def build(self, layers: int) -> tuple[Any, Transformer]:
        """Return both models with the same random weights."""
        torch.manual_seed(0)
        fields = {**SIZES, **self.fields, "num_hidden_layers": layers}
        theirs = hf.AutoModelForCausalLM.from_config(self.config(**fields), attn_implementation="eager")
        with torch.no_grad():
            for name, weight in theirs.named_parameters():
                weight.normal_(1.0 if "norm" in name else 0.0, 0.2)
        dense = layers if self.shape.is_dense else self.shape.n_dense_layers
        ours = Transformer(replace(self.shape, n_layers=layers, n_dense_layers=dense), self.router)
        ours.load_state_dict(as_ours(dict(theirs.named_parameters())), strict=False)
        return theirs, ours


PAIRS = {
    "llama": Pair(
        config=hf.LlamaConfig,
        fields={"intermediate_size": 48, "num_key_value_heads": 2},
        shape=replace(DENSE, n_kv_heads=2),
    ),
    "llama-tied-biased": Pair(
        config=hf.LlamaConfig,
        fields={"intermediate_size": 48, "tie_word_embeddings": True, "attention_bias": True, "mlp_bias": True},
        shape=replace(DENSE, tied_embeddings=True, attention_bias="all", ffn_bias=True),
    ),
    "mixtral": Pair(
        config=hf.MixtralConfig,
        fields={"intermediate_size": 16, "num_key_value_heads": 2, "num_local_experts": 6, "num_experts_per_tok": 2},
        shape=replace(MOE, n_kv_heads=2),
        router=Router(renormalise=True),
    ),
    "qwen2-moe": Pair(
        config=hf.Qwen2MoeConfig,
        fields={
            "intermediate_size": 48, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 24,
            "num_key_value_heads": 4, "num_experts": 6, "num_experts_per_tok": 2, "mlp_only_layers": [],
        },
        shape=replace(MOE, d_shared=24, shared_gate=True, attention_bias="qkv"),
    ),
    "qwen2-moe-interleaved": Pair(
        config=hf.Qwen2MoeConfig,
        fields={
            "intermediate_size": 48, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 24,
            "num_key_value_heads": 4, "num_experts": 6, "num_experts_per_tok": 2, "decoder_sparse_step": 2,
        },
        shape=replace(MOE, d_shared=24, shared_gate=True, attention_bias="qkv", moe_every=2),
    ),
    "olmoe": Pair(
        config=hf.OlmoeConfig,
        fields={"intermediate_size": 16, "num_key_value_heads": 4, "num_experts": 6, "num_experts_per_tok": 2},
        shape=replace(MOE, qk_norm="full"),
    ),
    "qwen3-moe": Pair(
        config=hf.Qwen3MoeConfig,
        fields={
            "moe_intermediate_size": 16, "num_key_value_heads": 2, "head_dim": 8, "num_experts": 6,
            "num_experts_per_tok": 2, "norm_topk_prob": True,
        },
        shape=replace(MOE, qk_norm="head", n_kv_heads=2),
        router=Router(renormalise=True),
    ),
}  # fmt: skip

NAMES = {
    "model.embed_tokens.weight": "embedding.weight",
    "lm_head.weight": "head.weight",
    "model.norm.weight": "norm.weight",
    "input_layernorm.": "attention_norm.",
    "post_attention_layernorm.": "ffn_norm.",
    "self_attn.qkv_proj.": "attention.query_key_value.",
    "self_attn.o_proj.": "attention.o_proj.",
    "self_attn.q_norm.": "attention.query_norm.",
    "self_attn.k_norm.": "attention.key_norm.",
    "mlp.gate.weight": "ffn.router.weight",
    "mlp.experts.gate_up_proj": "ffn.up_proj",
    "mlp.experts.down_proj": "ffn.down_proj",
    "mlp.shared_expert_gate.": "ffn.shared_gate.",
    "mlp.shared_expert.gate_up_proj.": "ffn.shared.up_proj.",
    "mlp.shared_expert.down_proj.": "ffn.shared.down_proj.",
    "mlp.shared_experts.gate_up_proj.": "ffn.shared.up_proj.",
    "mlp.shared_experts.down_proj.": "ffn.shared.down_proj.",
    "mlp.gate_up_proj.": "ffn.up_proj.",
    "mlp.down_proj.": "ffn.down_proj.",
    "model.layers.": "layers.",
    "transformer.wte.": "embedding.",
    "transformer.wpe.": "positions.",
    "transformer.ln_f.": "norm.",
    "transformer.h.": "layers.",
    "ln_1.": "attention_norm.",
    "ln_2.": "ffn_norm.",
    "attn.c_attn.": "attention.query_key_value.",
    "attn.c_proj.": "attention.o_proj.",
    "mlp.c_fc.": "ffn.up_proj.",
    "mlp.c_proj.": "ffn.down_proj.",
}
"""Parts of weight names in transformers, and ours; the first match is used."""


def as_ours(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return weights or gradients of a transformers model under our names and in our layout."""
    joined = dict(theirs)
    for name in theirs:
        if match := re.fullmatch(r"(.*)\.(q|gate)_proj\.(weight|bias)", name):
            parts = {"q": ("q", "k", "v"), "gate": ("gate", "up")}[match[2]]
            new = "qkv_proj" if match[2] == "q" else "gate_up_proj"
            joined[f"{match[1]}.{new}.{match[3]}"] = torch.cat(
                [joined.pop(f"{match[1]}.{part}_proj.{match[3]}") for part in parts]
            )
    ours = {}
    for name, value in joined.items():
        new = name
        for theirs_piece, ours_piece in NAMES.items():
            new = new.replace(theirs_piece, ours_piece)
        turned = ".c_" in name and value.dim() > 1  # gpt2's matrices are (in, out)
        ours[new] = value.mT if turned else value
    return ours


@pytest.mark.parametrize("name", PAIRS)
def test_logits_and_gradients_equal_those_of_transformers(name: str) -> None:
    theirs, ours = PAIRS[name].build(layers=3)
    tokens = torch.randint(0, 61, (BATCH, T + 1))
    expected, (logits, _) = theirs(tokens[:, :-1]).logits, ours(tokens[:, :-1])
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
    for output in (expected, logits):
        F.cross_entropy(output.flatten(0, 1), tokens[:, 1:].flatten()).backward()
    gradients = as_ours({name: weight.grad for name, weight in theirs.named_parameters()})
    named = dict(ours.named_parameters())
    assert set(named) == set(gradients)
    for weight_name, weight in named.items():
        torch.testing.assert_close(weight.grad, gradients[weight_name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["mixtral", "qwen2-moe", "olmoe", "qwen3-moe"])
def test_balance_loss_equals_that_of_transformers_over_top_k(name: str) -> None:
    """With one MoE layer, because theirs pools all layers. Ours is 1 at uniform routing, theirs K."""
    pair = PAIRS[name]
    theirs, ours = pair.build(layers=1)
    tokens = torch.randint(0, 61, (BATCH, T))
    aux = theirs(tokens, output_router_logits=True).aux_loss
    balance = ours(tokens)[1][0].balance
    torch.testing.assert_close(pair.shape.top_k * balance, aux, rtol=1e-5, atol=1e-6)
    aux.backward()
    (pair.shape.top_k * balance).backward()
    gradients = as_ours({n: weight.grad for n, weight in theirs.named_parameters() if weight.grad is not None})
    named = {n: weight.grad for n, weight in ours.named_parameters() if weight.grad is not None}
    assert "layers.0.ffn.router.weight" in named
    for weight_name, gradient in named.items():
        torch.testing.assert_close(gradient, gradients[weight_name], rtol=1e-5, atol=1e-5)


EXPORTED = {
    "llama": (replace(DENSE, n_kv_heads=2, attention_bias="all", ffn_bias=True), Router()),
    "qwen3": (replace(DENSE, qk_norm="head", n_heads=2, n_kv_heads=1), Router()),
    "gpt2": (
        replace(
            DENSE, norm="layernorm", positions="learned", max_positions=20, ffn="gelu", attention_bias="all",
            ffn_bias=True, tied_embeddings=True,
        ),
        Router(),
    ),
    "glm4_moe": (replace(MOE, n_dense_layers=1, d_shared=32), Router(score="sigmoid")),
    "mixtral": (MOE, Router(renormalise=True)),
    "qwen2_moe": (replace(MOE, n_dense_layers=1, moe_every=2, d_shared=24, shared_gate=True), Router()),
    "qwen3_moe": (replace(MOE, qk_norm="head", n_dense_layers=1), Router()),
    "olmoe": (replace(MOE, qk_norm="full", attention_bias="all"), Router(renormalise=True)),
}  # fmt: skip


@pytest.mark.parametrize("name", EXPORTED)
def test_an_exported_configuration_gives_the_same_logits(name: str) -> None:
    """A transformers model built from an exported shape and router, with our weights, gives our logits."""
    shape, router = EXPORTED[name]
    config = to_hf(shape, router)
    assert config["model_type"] == name
    assert "differs" not in config
    pair = Pair(config=lambda **_: hf.AutoConfig.for_model(**config), fields={}, shape=shape, router=router)
    theirs, ours = pair.build(layers=shape.n_layers)
    assert sum(weight.numel() for weight in theirs.parameters()) == shape.total
    tokens = torch.randint(0, 61, (BATCH, T))
    torch.testing.assert_close(ours(tokens)[0], theirs(tokens).logits, rtol=1e-5, atol=1e-5)
