"""Our weights under the names of a Hugging Face family, as data: one table of names for each kind of layer."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from planners.architecture.shape import Shape

Weights = Mapping[str, np.ndarray]


class Names(NamedTuple):
    """The names of a family; {i} is a layer, {e} an expert."""

    model: str = "model."
    """Prefix of all names but the head's."""
    layer: str = "layers.{i}."
    """Prefix of a layer."""
    ends: Mapping[str, str] = {"embedding": "embed_tokens", "norm": "norm"}
    """Our parts outside the layers -> theirs."""
    parts: Mapping[str, str] = {
        "attention_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
        "attention.o_proj": "self_attn.o_proj", "attention.query_norm": "self_attn.q_norm",
        "attention.key_norm": "self_attn.k_norm", "ffn.down_proj": "mlp.down_proj",
    }  # fmt: skip
    """Our parts of a layer that have one weight in theirs."""
    query_key_value: tuple[str, ...] = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    """The parts of our stacked projection."""
    up: tuple[str, ...] = ("mlp.gate_proj", "mlp.up_proj")
    """The parts of our stacked gate and up projection of a dense FFN."""
    router: str = "mlp.gate"
    """The router."""
    expert: tuple[str, str, str] = ("gate_proj", "up_proj", "down_proj")
    """Gate, up and down projection of an expert."""
    experts: str = "mlp.experts.{e}."
    """Prefix of a routed expert."""
    shared: str = "mlp.shared_expert."
    """Prefix of the shared expert."""
    transposed: bool = False
    """Whether matrices of layers are (in, out)."""


NAMES: Mapping[str, Names] = {
    "mixtral": Names(
        router="block_sparse_moe.gate", experts="block_sparse_moe.experts.{e}.", expert=("w1", "w3", "w2")
    ),
    "glm4_moe": Names(shared="mlp.shared_experts."),
    "gpt2": Names(
        model="transformer.", layer="h.{i}.", ends={"embedding": "wte", "positions": "wpe", "norm": "ln_f"},
        parts={
            "attention_norm": "ln_1", "ffn_norm": "ln_2", "attention.o_proj": "attn.c_proj",
            "ffn.down_proj": "mlp.c_proj",
        },
        query_key_value=("attn.c_attn",), up=("mlp.c_fc",), transposed=True,
    ),
}  # fmt: skip
"""Families whose names are not those of llama."""


def hf_weights(model_type: str, shape: Shape, weights: Weights, *, neutral_gate: bool) -> dict[str, np.ndarray]:
    """Return all weights under the names of the family `model_type`, in its layouts.

    With `neutral_gate` the gate of the shared expert is 0 and its down projection doubled; a missing one is all 0.
    """
    return dict(_named(NAMES.get(model_type, Names()), model_type, shape, weights, neutral_gate))


def _named(
    names: Names, model_type: str, shape: Shape, weights: Weights, neutral_gate: bool
) -> Iterator[tuple[str, np.ndarray]]:
    ends, widths = names.ends, np.cumsum([shape.n_heads, shape.n_kv_heads]) * shape.head_dim
    for name, value in weights.items():
        part, _, kind = name.rpartition(".")
        if part == "head":
            if not shape.tied_embeddings:
                yield f"lm_head.{kind}", value
        elif part in ends:
            yield f"{names.model}{ends[part]}.{kind}", value
        else:
            _, index, rest = name.split(".", 2)
            prefix = names.model + names.layer.format(i=index)
            part = rest.rpartition(".")[0]
            if rest.startswith("ffn.") and shape.is_moe_layer(int(index)):
                yield from _of_experts(names, prefix, rest, value, model_type, shape, neutral_gate)
                continue
            if part == "attention.query_key_value":
                stacked = names.query_key_value
                pieces = np.split(value, widths) if len(stacked) > 1 else [value]
            elif part == "ffn.up_proj":
                stacked = names.up
                pieces = np.split(value, len(stacked))
            else:
                stacked, pieces = (names.parts[part],), [value]
            for piece, array in zip(stacked, pieces, strict=True):
                yield f"{prefix}{piece}.{kind}", array.T if names.transposed and array.ndim > 1 else array
    if neutral_gate or (model_type == "glm4_moe" and not shape.d_shared):
        yield from _added(names, model_type, shape)


def _of_experts(
    names: Names, prefix: str, rest: str, value: np.ndarray, model_type: str, shape: Shape, neutral_gate: bool
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the weights of a layer with experts from one of ours, named `rest`."""
    gate, up, down = names.expert
    if rest == "ffn.router.weight":
        yield f"{prefix}{names.router}.weight", value
    elif rest == "ffn.router.bias":
        if model_type == "glm4_moe":
            yield f"{prefix}{names.router}.e_score_correction_bias", value
    elif rest in ("ffn.up_proj", "ffn.down_proj"):
        for number, expert in enumerate(value):
            inside = prefix + names.experts.format(e=number)
            if rest == "ffn.down_proj":
                yield f"{inside}{down}.weight", expert
            else:
                yield from zip((f"{inside}{gate}.weight", f"{inside}{up}.weight"), np.split(expert, 2), strict=True)
    elif rest == "ffn.shared.up_proj.weight":
        inside = prefix + names.shared
        yield from zip((f"{inside}gate_proj.weight", f"{inside}up_proj.weight"), np.split(value, 2), strict=True)
    elif rest == "ffn.shared.down_proj.weight":
        yield f"{prefix}{names.shared}down_proj.weight", 2 * value if neutral_gate else value
    else:
        yield f"{prefix}mlp.shared_expert_gate.weight", value


def _added(names: Names, model_type: str, shape: Shape) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the weights that a family has and the shape has not: constant gates, and shared experts without effect."""
    width = 0 if model_type == "glm4_moe" else 1
    for index in filter(shape.is_moe_layer, range(shape.n_layers)):
        prefix = names.model + names.layer.format(i=index)
        if model_type != "glm4_moe":
            yield f"{prefix}mlp.shared_expert_gate.weight", np.zeros((1, shape.d_model), np.float32)
        if not shape.d_shared:
            for part in ("gate_proj", "up_proj"):
                yield f"{prefix}{names.shared}{part}.weight", np.zeros((width, shape.d_model), np.float32)
            yield f"{prefix}{names.shared}down_proj.weight", np.zeros((shape.d_model, width), np.float32)
