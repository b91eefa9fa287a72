"""Multi-head latent attention: keys, values and, by choice, queries pass a narrow latent (arXiv 2405.04434)."""

from typing import Any

from planners.architecture.shape import FFN_MATRICES, Shape
from planners.formats import decoder
from planners.formats.foreign import Part
from planners.formats.given import Given

DEFAULTS = {
    **decoder.DEFAULTS,
    "kv_lora_rank": 512,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "attention_bias": False,
}


def fields(given: Given, *, ffn_bias: bool) -> dict[str, Any]:
    """Return the fields of a model with latent attention, leading dense layers and shared experts.

    Products are those of training, which forms keys and values from the latent. `ffn_bias` is of the dense FFN and of
    the shared expert, not of the routed ones.
    """
    shape = {**decoder.sizes(given), **decoder.leading_layers(given)}
    shape |= {"n_kv_heads": shape["n_heads"], "head_dim": given.size("qk_rope_head_dim"), "ffn_bias": ffn_bias}
    key = given.size("qk_nope_head_dim", least=0) + shape["head_dim"]
    replaced = (*_attention(given, Shape(**shape), key), *_shared(Shape(**shape)))
    return {**shape, "replaced": replaced, "head_widths": (key, given.size("v_head_dim"))}


def _attention(given: Given, shape: Shape, key: int) -> tuple[Part, Part]:
    """Return attention and norms: d_model -> latent -> heads for queries and for keys and values, heads -> d_model."""
    d_model, heads = shape.d_model, shape.n_heads
    value, latent, rank = given.size("v_head_dim"), given.size("kv_lora_rank"), given.optional("q_lora_rank")
    narrow = latent + shape.head_dim  # the rotary part of the key is one for all heads and is not compressed
    queries = d_model * heads * key if rank is None else rank * (d_model + heads * key)
    others = d_model * narrow + latent * heads * (key - shape.head_dim + value) + heads * value * d_model
    biases = ((rank or 0) + narrow + d_model) * given.flag("attention_bias")
    products = shape.n_layers * (queries + others)
    norms = shape.parts["norms"] + shape.n_layers * (latent + (rank or 0))
    return (
        Part(name="attention", parameters=products + shape.n_layers * biases, products=products),
        Part(name="norms", parameters=norms, products=0),
    )


def _shared(shape: Shape) -> tuple[Part, ...]:
    """Return the shared expert where it has biases that the routed ones have not."""
    if not shape.ffn_bias or shape.is_dense:
        return ()
    products = shape.products["shared_expert"]
    biases = shape.n_moe_layers * ((FFN_MATRICES["swiglu"] - 1) * shape.d_shared + shape.d_model)
    return (Part(name="shared_expert", parameters=products + biases, products=products),)
