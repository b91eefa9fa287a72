"""Parts of foreign models that no shape describes: one named rule for each, which returns fields of `Foreign`."""

from collections.abc import Callable
from typing import Any

from planners.architecture.shape import FFN_MATRICES, NORM_VECTORS, Shape
from planners.formats.blocks import block_kinds
from planners.formats.config_keys import ConfigKeys
from planners.formats.foreign import Extra

Rule = Callable[[ConfigKeys, Shape], dict[str, Any]]

LATENT_DEFAULTS = {
    "kv_lora_rank": 512,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "attention_bias": False,
}
"""Defaults of families with latent attention."""
LINEAR_DEFAULTS = {
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 128,
    "linear_value_head_dim": 128,
    "linear_num_key_heads": 16,
    "linear_num_value_heads": 32,
    "layer_types": None,
    "full_attention_interval": 4,
}
"""Defaults of families with gated linear attention."""
UNCOUNTED_SCAN = "layers without attention scores count as attention; the FLOPs of their recurrence are not counted"


def norms(*, a_layer: int, outside: int = 1) -> Rule:
    """Return the rule of a model with `a_layer` norms in each layer and `outside` ones; a shape has 2 and 1."""

    def rule(keys: ConfigKeys, shape: Shape) -> dict[str, Any]:
        return {"extras": _norms(shape, (a_layer - 2) * shape.n_layers + outside - 1)}

    return rule


def head_bias(key: str | None = None) -> Rule:
    """Return the rule of a model whose head has a bias: always, or where `key` is true."""

    def rule(keys: ConfigKeys, shape: Shape) -> dict[str, Any]:
        biased = key is None or keys.flag(key)
        return {"extras": (Extra(name="head", parameters=shape.vocab_size),) if biased else ()}

    return rule


def without_qkv_bias(keys: ConfigKeys, shape: Shape) -> dict[str, Any]:
    """Return attention whose output projection alone has a bias."""
    biases = shape.n_layers * shape.head_dim * (shape.n_heads + 2 * shape.n_kv_heads)
    return {"extras": (Extra(name="attention", parameters=-biases),)}


def one_key_value_head(keys: ConfigKeys, shape: Shape) -> dict[str, Any]:
    """Return attention whose heads share one key and one value where `multi_query` is true (arXiv 1911.02150)."""
    fewer = shape.n_layers * 2 * (1 - shape.n_kv_heads) * shape.head_dim * keys.flag("multi_query")
    weights = fewer * shape.d_model
    return {"extras": (Extra(name="attention", parameters=weights + fewer, products=weights),)}


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
    extras = [
        Extra(
            name="attention",
            parameters=products + biases - shape.parts["attention"],
            products=products - shape.products["attention"],
        ),
        Extra(name="norms", parameters=shape.n_layers * (latent + (rank or 0))),
    ]
    if shape.ffn_bias and not shape.is_dense:
        inside = (FFN_MATRICES["swiglu"] - 1) * shape.d_shared + shape.d_model
        extras.append(Extra(name="shared_expert", parameters=shape.n_moe_layers * inside))
    return {"extras": tuple(extras), "head_widths": (key, value)}


def index_of_positions(keys: ConfigKeys, shape: Shape) -> dict[str, Any]:
    """Return the indexer that picks the positions which attention sees (DeepSeek-V3.2): one in each layer."""
    heads, width, rank = keys.size("index_n_heads"), keys.size("index_head_dim"), keys.size("q_lora_rank")
    products = shape.n_layers * (rank * heads * width + shape.d_model * (width + heads))
    return {
        "extras": (
            Extra(name="attention", parameters=products, products=products),
            Extra(name="norms", parameters=shape.n_layers * NORM_VECTORS["layernorm"] * width),
        ),
        "notes": ("sparse attention is counted as if it saw all positions, without the scores of its indexer",),
    }


def linear_attention(keys: ConfigKeys, shape: Shape) -> dict[str, Any]:
    """Return attention of which some layers are gated delta networks (arXiv 2412.06464), the others have gates.

    `layer_types` names the linear layers; where it is absent each `full_attention_interval`-th layer is not linear.
    """
    interval = keys.size("full_attention_interval")
    usual = ["linear_attention" if (layer + 1) % interval else "full_attention" for layer in range(shape.n_layers)]
    kinds = keys.words("layer_types", ("linear_attention", "full_attention"))
    kinds = usual if kinds is None else kinds
    if len(kinds) != shape.n_layers:
        keys.refuse("layer_types", f"a list of {shape.n_layers} layers")
    linear = kinds.count("linear_attention")
    key_heads, heads = keys.size("linear_num_key_heads"), keys.size("linear_num_value_heads")
    key, value = keys.size("linear_key_head_dim") * key_heads, keys.size("linear_value_head_dim") * heads
    inner = shape.d_model * (2 * key + 3 * value + 2 * heads)
    per_full = shape.parts["attention"] // shape.n_layers
    full_products = shape.products["attention"] // shape.n_layers
    gates = (shape.n_layers - linear) * shape.d_model * shape.n_heads * shape.head_dim
    gate_biases = (shape.n_layers - linear) * shape.n_heads * shape.head_dim * (shape.attention_bias != "none")
    convolution = (2 * key + value) * keys.size("linear_conv_kernel_dim")
    return {
        "extras": (
            Extra(
                name="attention",
                parameters=linear * (inner + convolution + 2 * heads - per_full) + gates + gate_biases,
                products=linear * (inner - full_products) + gates,
            ),
            Extra(name="norms", parameters=linear * (keys.size("linear_value_head_dim") - 2 * shape.head_dim)),
        ),
        "attention_layers": shape.n_layers - linear,
        "notes": (UNCOUNTED_SCAN,) if linear else (),
    }


def lightning_attention(keys: ConfigKeys, shape: Shape) -> dict[str, Any]:
    """Return attention of which some layers are linear with an output gate and a norm (arXiv 2501.08313).

    `layer_types` names the linear layers; where it is absent every second one is linear.
    """
    kinds = keys.words("layer_types", ("linear_attention", "full_attention"))
    linear = shape.n_layers // 2 if kinds is None else kinds.count("linear_attention")
    if kinds is not None and len(kinds) != shape.n_layers:
        keys.refuse("layer_types", f"a list of {shape.n_layers} layers")
    inner = shape.n_heads * shape.head_dim
    more = linear * (5 * shape.d_model * inner - shape.products["attention"] // shape.n_layers)
    return {
        "extras": (
            Extra(name="attention", parameters=more, products=more),
            Extra(name="norms", parameters=linear * inner),
        ),
        "attention_layers": shape.n_layers - linear,
        "notes": (UNCOUNTED_SCAN,) if linear else (),
    }


def sinks_and_router_bias(keys: ConfigKeys, shape: Shape) -> dict[str, Any]:
    """Return attention with one sink for each head, and a router with biases (arXiv 2508.10925)."""
    sinks, biases = shape.n_layers * shape.n_heads, shape.n_moe_layers * shape.n_experts
    return {"extras": (Extra(name="attention", parameters=sinks), Extra(name="router", parameters=biases))}


def gate_without_shared_expert(keys: ConfigKeys, shape: Shape) -> dict[str, Any]:
    """Return the gate that the library builds even where the shared expert has no width."""
    gates = 0 if shape.d_shared else shape.n_moe_layers * shape.d_model
    return {"extras": (Extra(name="shared_expert", parameters=gates, products=gates),) if gates else ()}


def masked_word_head(keys: ConfigKeys, shape: Shape) -> dict[str, Any]:
    """Return the positions and the head of BERT as AutoModelForMaskedLM builds it (arXiv 1810.04805).

    Segment embeddings count as positions. The head is a projection d_model -> d_model with a norm, the product with the
    embedding matrix, and a bias. The library keeps that bias twice where the embeddings are not tied. The norm of the
    embeddings counts as the last norm of the shape.
    """
    d_model, vocab_size = shape.d_model, shape.vocab_size
    segments = keys.size("type_vocab_size", least=0) * d_model
    transform = d_model * d_model + d_model + 2 * d_model
    biases = vocab_size if shape.tied_embeddings else 2 * vocab_size
    return {
        "extras": (
            Extra(name="positions", parameters=segments),
            Extra(name="head", parameters=transform + biases, products=d_model * d_model),
        ),
        "notes": ("counted as AutoModelForMaskedLM builds it, so without a pooler",),
    }


def opt_ends(keys: ConfigKeys, shape: Shape) -> dict[str, Any]:
    """Return the ends of an OPT (arXiv 2205.01068): two more positions, and projections to a narrower embedding.

    A model whose norms follow its blocks has no last norm.
    """
    width, d_model = keys.size("word_embed_proj_dim"), shape.d_model
    projection = 0 if width == d_model else width * d_model
    narrower = shape.vocab_size * (width - d_model)
    owned = 0 if shape.tied_embeddings else narrower
    extras = [
        Extra(name="positions", parameters=2 * d_model),
        Extra(name="embedding", parameters=narrower + projection, products=projection),
        Extra(name="head", parameters=owned + projection, products=narrower + projection),
    ]
    if not keys.flag("do_layer_norm_before"):
        extras += _norms(shape, -1)
    return {"extras": tuple(extras)}


def falcon_layers(keys: ConfigKeys, shape: Shape) -> dict[str, Any]:
    """Return attention and norms of a Falcon (arXiv 2311.16867), which has three designs.

    The new design has grouped queries and a norm for each of its two parallel blocks. The older ones have one key-value
    head or as many as heads, and parallel blocks share a norm.
    """
    new, parallel = keys.flag("new_decoder_architecture"), keys.flag("parallel_attn")
    kept = shape.n_kv_heads if new else 1 if keys.flag("multi_query") else shape.n_heads
    fewer = shape.n_layers * 2 * (kept - shape.n_kv_heads) * shape.head_dim
    biases = fewer * (shape.attention_bias != "none")
    norms_in_parallel = keys.optional("num_ln_in_parallel_attn") or (2 if new else 1)
    in_layer = norms_in_parallel if parallel else 2
    weights = fewer * shape.d_model
    return {
        "extras": (
            Extra(name="attention", parameters=weights + biases, products=weights),
            *_norms(shape, (min(in_layer, 2) - 2) * shape.n_layers),
        )
    }


def encoder_and_decoder(keys: ConfigKeys, shape: Shape) -> dict[str, Any]:
    """Return a T5 (arXiv 1910.10683), whose shape has the layers of the encoder and of the decoder.

    Each decoder layer also attends to the encoder. The relative positions are a bias for each head and distance. A
    gated FFN has a third matrix.
    """
    decoders = keys.optional("num_decoder_layers")
    decoders = keys.size("num_layers") if decoders is None else decoders
    layers = shape.n_layers + decoders
    attention = shape.products["attention"] // shape.n_layers
    gated = keys.text("feed_forward_proj").startswith("gated-") * shape.d_model * shape.d_ff
    ffn = decoders * (shape.parts["dense_ffn"] // shape.n_layers) + layers * gated
    crossing = 2 * decoders * attention  # its own attention, and to the encoder
    return {
        "extras": (
            Extra(name="attention", parameters=crossing, products=crossing),
            Extra(name="dense_ffn", parameters=ffn, products=ffn),
            Extra(name="norms", parameters=(3 * decoders + 1) * shape.d_model),
            Extra(name="positions", parameters=2 * keys.size("relative_attention_num_buckets") * shape.n_heads),
        ),
        "attention_layers": layers + decoders,
        "notes": ("encoder and decoder both count as active, and FLOPs are those of a token that passes both",),
    }


def one_block_layers(keys: ConfigKeys, shape: Shape) -> dict[str, Any]:
    """Return a Nemotron-H (arXiv 2504.03624), each of whose layers is one block: Mamba-2, attention, FFN or experts."""
    kinds = block_kinds(keys)
    layers, mamba, attention = shape.n_layers, kinds.count("linear_attention"), kinds.count("full_attention")
    heads, width = keys.size("mamba_num_heads"), keys.size("mamba_head_dim")
    groups, state, kernel = keys.size("n_groups"), keys.size("ssm_state_size"), keys.size("conv_kernel")
    inner = heads * width
    mixed = inner + 2 * groups * state
    products = shape.d_model * (inner + mixed + heads) + inner * shape.d_model
    linear_biases = (inner + mixed + heads + shape.d_model) * keys.flag("use_bias")
    others = mixed * (kernel + keys.flag("use_conv_bias")) + 3 * heads + linear_biases
    per_attention, ffns = shape.parts["attention"] // layers, layers - shape.n_moe_layers
    per_ffn = shape.parts["dense_ffn"] // max(1, ffns)
    per_product = shape.products["dense_ffn"] // max(1, ffns)
    fewer = kinds.count("mlp") - ffns
    shared = 0 if shape.d_shared else shape.n_moe_layers * 2 * shape.d_model * shape.d_ff  # for 0 it takes d_ff
    shared_biases = shape.n_moe_layers * ((shape.d_shared or shape.d_ff) + shape.d_model) * shape.ffn_bias
    return {
        "extras": (
            Extra(
                name="attention",
                parameters=mamba * (products + others) + (attention - layers) * per_attention,
                products=mamba * products + (attention - layers) * per_attention,
            ),
            Extra(name="dense_ffn", parameters=fewer * per_ffn, products=fewer * per_product),
            Extra(name="shared_expert", parameters=shared + shared_biases, products=shared),
            *_norms(shape, -layers),
            Extra(name="norms", parameters=mamba * inner),
        ),
        "attention_layers": attention,
        "notes": (UNCOUNTED_SCAN,) if mamba else (),
    }


def _norms(shape: Shape, more: int) -> tuple[Extra, ...]:
    """Return `more` norms of width d_model."""
    return (Extra(name="norms", parameters=more * NORM_VECTORS[shape.norm] * shape.d_model),)
