"""Our weights under the names and in the layouts of another library: one table of names for each library."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from planners.architecture.shape import Shape

Weights = Mapping[str, np.ndarray]

ENDS = {"embedding": "model.embed_tokens", "norm": "model.norm", "head": "lm_head"}
PARTS = {
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attention.o_proj": "self_attn.o_proj",
    "attention.query_norm": "self_attn.q_norm",
    "attention.key_norm": "self_attn.k_norm",
    "ffn.down_proj": "mlp.down_proj",
}


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names of a library, by default of llama and qwen in transformers. {i} is a layer, {e} an expert."""

    layer: str = "model.layers.{i}."
    """Prefix of a layer."""
    ends: Mapping[str, str] = field(default_factory=lambda: ENDS)
    """Our parts outside the layers -> theirs."""
    parts: Mapping[str, str] = field(default_factory=lambda: PARTS)
    """Our parts of a layer that are one part of theirs."""
    query_key_value: tuple[str, ...] = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    """The parts of our stacked projection."""
    grouped: bool = False
    """Whether one stacked projection holds, for each key-value head, its queries, its key and its value."""
    up: tuple[str, ...] = ("mlp.gate_proj", "mlp.up_proj")
    """The parts of our stacked gate and up projection of a dense FFN."""
    router: str = "mlp.gate.weight"
    """The matrix of a router."""
    flat_router: bool = False
    """Whether it is a vector."""
    router_bias: str | None = None
    """The bias that chooses experts."""
    experts: tuple[str, ...] = tuple(f"mlp.experts.{{e}}.{part}_proj.weight" for part in ("gate", "up", "down"))
    """The parts of the gate and up projection of routed experts, and last the down projection."""
    rows: bool = False
    """Whether the experts of a layer are stacked as rows of matrices (n_experts * d_expert, d_model)."""
    shared: tuple[str, ...] = tuple(f"mlp.shared_expert.{part}_proj.weight" for part in ("gate", "up", "down"))
    """The same of the shared expert."""
    shared_gate: str = "mlp.shared_expert_gate.weight"
    """The gate of the shared expert."""
    transposed: bool = False
    """Whether matrices of layers are (in, out)."""


def renamed(names: Names, shape: Shape, weights: Weights) -> dict[str, np.ndarray]:
    """Return all weights under the names of a library. Router biases that it lacks and a tied head are left out."""
    return dict(_renamed(names, shape, weights))


def _renamed(names: Names, shape: Shape, weights: Weights) -> Iterator[tuple[str, np.ndarray]]:
    for name, value in weights.items():
        part, _, kind = name.rpartition(".")
        if part in names.ends:
            if part != "head" or not shape.tied_embeddings:
                yield f"{names.ends[part]}.{kind}", value
            continue
        _, index, rest = name.split(".", 2)
        prefix = names.layer.format(i=index)
        if rest.startswith("ffn.") and shape.is_moe_layer(int(index)):
            found = _of_experts(names, rest, value)
        else:
            found = _of_layer(names, shape, rest, value)
        yield from ((prefix + theirs, array) for theirs, array in found)


def _of_layer(names: Names, shape: Shape, rest: str, value: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the parts of attention, norms and dense FFN."""
    part, _, kind = rest.rpartition(".")
    if part == "attention.query_key_value":
        stacked, pieces = names.query_key_value, [_grouped(shape, value) if names.grouped else value]
        if len(stacked) > 1:
            pieces = np.split(value, np.cumsum([shape.n_heads, shape.n_kv_heads]) * shape.head_dim)
    elif part == "ffn.up_proj":
        stacked, pieces = names.up, np.split(value, len(names.up))
    else:
        stacked, pieces = (names.parts[part],), [value]
    for theirs, array in zip(stacked, pieces, strict=True):
        yield f"{theirs}.{kind}", array.T if names.transposed and array.ndim > 1 else array


def _grouped(shape: Shape, value: np.ndarray) -> np.ndarray:
    """Return the projection with the queries, the key and the value of each key-value head together."""
    heads = value.reshape(-1, shape.head_dim, *value.shape[1:])
    query, key, shown = np.split(heads, np.cumsum([shape.n_heads, shape.n_kv_heads]))
    queries = query.reshape(shape.n_kv_heads, -1, *query.shape[1:])
    return np.concatenate((queries, key[:, None], shown[:, None]), axis=1).reshape(value.shape)


def _of_experts(names: Names, rest: str, value: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the parts of a layer with experts."""
    if rest == "ffn.router.weight":
        yield names.router, value.ravel() if names.flat_router else value
    elif rest == "ffn.router.bias":
        if names.router_bias:
            yield names.router_bias, value
    elif rest == "ffn.shared_gate.weight":
        yield names.shared_gate, value
    elif rest.startswith("ffn.shared."):
        *up, down = names.shared
        is_down = rest == "ffn.shared.down_proj.weight"
        yield from zip((down,), (value,), strict=True) if is_down else zip(up, np.split(value, len(up)), strict=True)
    else:
        *up, down = names.experts
        pieces = [(down, value)] if rest == "ffn.down_proj" else zip(up, np.split(value, len(up), axis=1), strict=True)
        for theirs, stack in pieces:
            if names.rows:
                turned = stack.transpose(0, 2, 1) if theirs == down else stack
                yield theirs, turned.reshape(-1, turned.shape[-1])
            elif "{e}" in theirs:
                yield from ((theirs.format(e=number), expert) for number, expert in enumerate(stack))
            else:
                yield theirs, stack
