"""The names that most decoder families share: sizes, attention, and which layers have experts."""

from typing import Any

from planners.architecture.shape import Shape
from planners.formats.given import Given
from planners.records.errors import UsageError
from planners.spec import Router

DEFAULTS = {"num_key_value_heads": None, "head_dim": None, "tie_word_embeddings": False}
"""Keys that mean the same nearly everywhere: as many key-value heads as heads, which share d_model; untied."""

PLAIN = {"norm": ("rmsnorm",), "positions": ("rope",), "ffn": ("swiglu",), "causal": (True,)}
"""What all of these decoders are, in the words of a shape."""

NO_TOKENS = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
"""Special tokens of a model written by us: which they are is the tokenizer's, and the library's lie outside ours."""


def sizes(given: Given) -> dict[str, Any]:
    """Return the fields of a shape that has no experts yet."""
    n_layers, n_heads = given.size("num_hidden_layers"), given.size("num_attention_heads")
    return {
        "vocab_size": given.size("vocab_size"),
        "d_model": given.size("hidden_size"),
        "n_layers": n_layers,
        "n_dense_layers": n_layers,
        "n_heads": n_heads,
        "n_kv_heads": given.optional("num_key_value_heads") or n_heads,
        "head_dim": given.head_dim(),
        "d_ff": given.size("intermediate_size"),
        "tied_embeddings": given.flag("tie_word_embeddings"),
    }


def every_layer(given: Given, n_experts: int) -> dict[str, Any]:
    """Return the fields of a family whose layers all have experts, of width `intermediate_size`.

    Such a family has no dense FFN; `d_ff` is the width of the one that is as wide as what a token uses.
    """
    top_k, d_expert = given.size("num_experts_per_tok"), given.size("intermediate_size")
    return {
        **sizes(given),
        "n_dense_layers": 0,
        "n_experts": n_experts,
        "top_k": top_k,
        "d_expert": d_expert,
        "d_ff": top_k * d_expert,
    }


def leading_layers(given: Given) -> dict[str, int]:
    """Return the fields of experts after `first_k_dense_replace` dense layers; none where all layers are dense."""
    leading = given.size("first_k_dense_replace", least=0)
    if leading >= given.size("num_hidden_layers"):
        return {}
    d_expert = given.size("moe_intermediate_size")
    return {
        "n_dense_layers": leading,
        "n_experts": given.size("n_routed_experts"),
        "top_k": given.size("num_experts_per_tok"),
        "d_expert": d_expert,
        "d_shared": d_expert * given.size("n_shared_experts", least=0),
    }


def some_layers(given: Given, n_experts: int) -> dict[str, Any]:
    """Return which layers have experts: every `decoder_sparse_step`-th that is not among `mlp_only_layers`.

    Where dense layers stand between others in a way that a shape cannot say, as many lead: the counts are the same.
    """
    n_layers, step = given.size("num_hidden_layers"), given.size("decoder_sparse_step")
    dense = {index for index in given.layers("mlp_only_layers") if 0 <= index < n_layers and (index + 1) % step == 0}
    n_moe = n_layers // step - len(dense) if n_experts else 0
    if not n_moe:
        return {}
    leading = len(dense) * step
    arranged = dense == set(range(step - 1, leading, step))
    fields = {"n_dense_layers": leading, "moe_every": step} if arranged else {"n_dense_layers": n_layers - n_moe}
    note = f"{n_layers - n_moe} dense layers stand between others; they are counted as leading ones"
    return {
        **fields,
        "n_experts": n_experts,
        "top_k": given.size("num_experts_per_tok"),
        "d_expert": given.size("moe_intermediate_size"),
        "notes": () if arranged else (note,),
    }


def names(shape: Shape) -> dict[str, Any]:
    """Return the keys that say what `sizes` reads, and the constants of this toolkit's model."""
    return {
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.d_model,
        "intermediate_size": shape.d_ff,
        "num_hidden_layers": shape.n_layers,
        "num_attention_heads": shape.n_heads,
        "num_key_value_heads": shape.n_kv_heads,
        "head_dim": shape.head_dim,
        "tie_word_embeddings": shape.tied_embeddings,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        **NO_TOKENS,
    }


def sparse_names(shape: Shape, router: Router) -> dict[str, Any]:
    """Return the keys that say what `some_layers` reads; each dense layer is listed."""
    return {
        "num_experts": shape.n_experts,
        "num_experts_per_tok": shape.top_k,
        "moe_intermediate_size": shape.d_expert,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [index for index in range(shape.n_layers) if not shape.is_moe_layer(index)],
        "norm_topk_prob": router.renormalise,
        "router_aux_loss_coef": router.balance,
    }


def check_heads(shape: Shape, exact: bool = False) -> None:
    """Raise UsageError where the heads do not divide the width of the model, or, if `exact`, do not make it up."""
    if shape.d_model % shape.n_heads or (exact and shape.d_model != shape.n_heads * shape.head_dim):
        raise UsageError(f"{shape.n_heads} heads of {shape.head_dim} beside d_model {shape.d_model}")
