"""gpt2: LayerNorm, learned positions, two-matrix FFN, biases everywhere but in the head; as AutoModelForCausalLM."""

from typing import Any

from planners.architecture.shape import Shape
from planners.formats import decoder
from planners.formats.family import Export, Family
from planners.formats.foreign import Foreign
from planners.formats.given import Given
from planners.records.errors import UsageError
from planners.spec import Router


def read(given: Given) -> Foreign:
    """Return the model; the FFN is 4 times as wide as the model unless it is said to be other."""
    if given.flag("add_cross_attention"):
        raise UsageError("add_cross_attention is true: a decoder that attends to an encoder is not counted")
    d_model, n_layers, n_heads = given.size("n_embd"), given.size("n_layer"), given.size("n_head")
    return Foreign(
        model_type="gpt2",
        vocab_size=given.size("vocab_size"),
        d_model=d_model,
        n_layers=n_layers,
        n_dense_layers=n_layers,
        n_heads=n_heads,
        n_kv_heads=n_heads,
        head_dim=given.width_of_heads("n_embd", "n_head"),
        d_ff=given.optional("n_inner") or 4 * d_model,
        tied_embeddings=given.flag("tie_word_embeddings"),
        ffn="gelu",
        norm="layernorm",
        positions="learned",
        max_positions=given.size("n_positions"),
        attention_bias="all",
        ffn_bias=True,
    )


def write(shape: Shape, _: Router) -> dict[str, Any]:
    """Return the keys of a dense shape of this kind. Raises UsageError for heads that the family does not have."""
    decoder.check_heads(shape, exact=True)
    if shape.n_kv_heads != shape.n_heads:
        raise UsageError(f"n_kv_heads {shape.n_kv_heads} beside n_heads {shape.n_heads}")
    return {
        **decoder.NO_TOKENS,
        "vocab_size": shape.vocab_size,
        "n_embd": shape.d_model,
        "n_layer": shape.n_layers,
        "n_head": shape.n_heads,
        "n_inner": shape.d_ff,
        "n_positions": shape.max_positions,
        "tie_word_embeddings": shape.tied_embeddings,
        "activation_function": "gelu",
        **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0),
    }


FAMILY = Family(
    model_type="gpt2",
    defaults={
        "vocab_size": 50257,
        "n_embd": 768,
        "n_layer": 12,
        "n_head": 12,
        "n_inner": None,
        "n_positions": 1024,
        "tie_word_embeddings": True,
        "add_cross_attention": False,
    },
    aliases={
        "n_embd": "hidden_size",
        "n_layer": "num_hidden_layers",
        "n_head": "num_attention_heads",
        "n_positions": "max_position_embeddings",
    },
    read=read,
    export=Export(
        experts=False,
        expresses={
            "norm": ("layernorm",),
            "positions": ("learned",),
            "ffn": ("gelu",),
            "causal": (True,),
            "attention_bias": ("all",),
            "ffn_bias": (True,),
            "qk_norm": ("none",),
        },
        write=write,
    ),
)
