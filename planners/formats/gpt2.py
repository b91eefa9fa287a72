"""gpt2: LayerNorm, learned positions, two-matrix FFN, biases everywhere but in the head; as AutoModelForCausalLM."""

from planners.formats import decoder
from planners.formats.family import Family

LEARNED = {
    "ffn": "gelu",
    "norm": "layernorm",
    "positions": "learned",
    "attention_bias": "all",
    "ffn_bias": True,
}
"""The style of a transformer with learned positions, as fields of a shape."""

FAMILY = Family(
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
    keys={
        "vocab_size": "vocab_size",
        "d_model": "n_embd",
        "n_layers": "n_layer",
        "n_heads": "n_head",
        "d_ff": "n_inner",
        "max_positions": "n_positions",
        "tied_embeddings": "tie_word_embeddings",
    },
    fixed=LEARNED,
    heads="exact",
    aliases={
        "n_embd": "hidden_size",
        "n_layer": "num_hidden_layers",
        "n_head": "num_attention_heads",
        "n_positions": "max_position_embeddings",
    },
    refused=("add_cross_attention",),
    constants={
        "activation_function": "gelu",
        **decoder.NO_TOKENS,
        **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0),
    },
)
