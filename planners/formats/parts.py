"""Parts of foreign models that no shape describes: one named rule for each, which returns fields of `Foreign`."""

from typing import Any

from planners.architecture.shape import FFN_MATRICES, Shape
from planners.formats.config_keys import ConfigKeys
from planners.formats.foreign import ReplacedPart

LATENT_DEFAULTS = {
    "kv_lora_rank": 512,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "attention_bias": False,
}
"""Defaults of families with latent attention."""


def latent_attention(keys: ConfigKeys, shape: Shape) -> dict[str, Any]:
    """Return the parts of a model whose keys, values and, by choice, queries pass a narrow latent (arXiv 2405.04434).

    The products are those of training, which forms keys and values from the latent. `head_dim` of the shape is the
    rotary part of a key. Biases of the shape are in the dense FFN and the shared expert, not in the routed experts.
    """
    d_model, heads, rotary = shape.d_model, shape.n_heads, shape.head_dim
    key = keys.size("qk_nope_head_dim", least=0) + rotary
    value, latent, rank = keys.size("v_head_dim"), keys.size("kv_lora_rank"), keys.optional("q_lora_rank")
    narrow = latent + rotary  # all heads share the rotary part of the key, which is not compressed
    queries = d_model * heads * key if rank is None else rank * (d_model + heads * key)
    others = d_model * narrow + latent * heads * (key - rotary + value) + heads * value * d_model
    biases = shape.n_layers * ((rank or 0) + narrow + d_model) * keys.flag("attention_bias")
    products = shape.n_layers * (queries + others)
    norms = shape.parts["norms"] + shape.n_layers * (latent + (rank or 0))
    replaced = [
        ReplacedPart(name="attention", parameters=products + biases, products=products),
        ReplacedPart(name="norms", parameters=norms, products=0),
    ]
    if shape.ffn_bias and not shape.is_dense:
        inside = (FFN_MATRICES["swiglu"] - 1) * shape.d_shared + shape.d_model
        replaced.append(_enlarged(shape, "shared_expert", shape.n_moe_layers * inside))
    return {"replaced": tuple(replaced), "head_widths": (key, value)}


def sinks_and_router_bias(keys: ConfigKeys, shape: Shape) -> dict[str, Any]:
    """Return attention with one sink for each head, and a router with biases (arXiv 2508.10925)."""
    sinks, biases = shape.n_layers * shape.n_heads, shape.n_moe_layers * shape.n_experts
    return {"replaced": (_enlarged(shape, "attention", sinks), _enlarged(shape, "router", biases))}


def gate_without_shared_expert(keys: ConfigKeys, shape: Shape) -> dict[str, Any]:
    """Return the gate that the library builds even where the shared expert has no width."""
    gates = 0 if shape.d_shared else shape.n_moe_layers * shape.d_model
    return {"replaced": (ReplacedPart(name="shared_expert", parameters=gates, products=gates),) if gates else ()}


def masked_word_head(keys: ConfigKeys, shape: Shape) -> dict[str, Any]:
    """Return the positions and the head of BERT as AutoModelForMaskedLM builds it (arXiv 1810.04805).

    Segment embeddings count as positions. The head is a projection d_model -> d_model with a norm, the product with the
    embedding matrix, and a bias. The library keeps that bias twice where the embeddings are not tied. The norm of the
    embeddings counts as the last norm of the shape.
    """
    d_model, vocab_size = shape.d_model, shape.vocab_size
    look_ups = (shape.max_positions + keys.size("type_vocab_size", least=0)) * d_model
    transform = d_model * d_model + d_model + 2 * d_model
    output = vocab_size if shape.tied_embeddings else vocab_size * d_model + 2 * vocab_size
    return {
        "replaced": (
            ReplacedPart(name="positions", parameters=look_ups, products=0),
            ReplacedPart(name="head", parameters=transform + output, products=d_model * (d_model + vocab_size)),
        ),
        "notes": ("counted as AutoModelForMaskedLM builds it, so without a pooler",),
    }


def _enlarged(shape: Shape, name: str, extra: int) -> ReplacedPart:
    """Return a part with `extra` parameters that are in no matrix product."""
    return ReplacedPart(name=name, parameters=shape.parts[name] + extra, products=shape.products[name])
